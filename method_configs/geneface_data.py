"""The dataparser `geneface-data`.

In a module of its own: nerfstudio loads it while the modules that the method needs are only half imported.
"""

from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from geneface_ns.plugin.dataparser import GeneFaceDataParserConfig

geneface_data = DataParserSpecification(
    config=GeneFaceDataParserConfig(), description="A capture directory written by `geneface process`."
)
