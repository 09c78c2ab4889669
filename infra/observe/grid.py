"""Where the charts of a model stand on a dashboard, row by row. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Charts of one size, as many beside each other as the columns have room for."""

    columns: int
    width: int
    height: int

    def place(self, index: int) -> tuple[int, int]:
        """Give a chart's distance from the left, and from the top of the first."""
        row, column = divmod(index, self.columns // self.width)
        return column * self.width, row * self.height

    def total_height(self, count: int) -> int:
        """Give the height of so many charts."""
        return -(-count * self.width // self.columns) * self.height
