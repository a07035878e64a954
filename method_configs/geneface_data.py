"""The dataparser `geneface-data`.

In a module of its own: nerfstudio loads it while the modules that the method needs are only half imported.
"""

from method_configs.discovery import offered

geneface_data = offered("geneface_ns.plugin.dataparser", "geneface_data")
