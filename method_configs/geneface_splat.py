"""The method `geneface-splat`."""

from method_configs.discovery import offered

geneface_splat = offered("geneface_ns.plugin.method", "geneface_splat")
