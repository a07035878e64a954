"""The method `geneface`."""

from method_configs.discovery import offered

geneface = offered("geneface_ns.plugin.method", "geneface")
