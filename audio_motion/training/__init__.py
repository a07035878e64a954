"""Training of the speech -> motion models on Lightning Fabric."""
