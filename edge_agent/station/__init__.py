"""The station page's server: what a browser in the room may ask of this station."""
