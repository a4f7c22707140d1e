"""The common language of station and hub: messages, envelope, topics; pure."""
