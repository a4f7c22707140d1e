"""What the numbers say: statements by explicit rules, how pressing they are, and what has changed."""
