"""A person of Gaussians that says one thing, as one HTML file that plays in a browser, without a server."""
