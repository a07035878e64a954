"""What nerfstudio discovers: one light module for each registered method and dataparser."""
