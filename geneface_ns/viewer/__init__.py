"""The talking head in a browser: a panel on plain viser that plays sound, and the server of `geneface view`."""
