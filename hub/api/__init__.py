"""One router per noun: parse, call a service, answer after the commit."""
