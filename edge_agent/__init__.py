"""The daemon on the station and the station page's server."""
