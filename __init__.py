"""facebench: a privacy-utility benchmark for face datasets."""
