"""What a stack costs and how it fares, and who is told."""
