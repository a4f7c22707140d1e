"""County CA, enrolment, settings files, broker configuration."""
