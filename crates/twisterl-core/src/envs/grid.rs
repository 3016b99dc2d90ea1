//! Boards and mazes: cells of a grid, numbered row by row, and moves to the four neighbours.

/// Names of the moves to the neighbours, in the order of their actions.
pub(super) const MOVES: [&str; 4] = ["left", "up", "right", "down"];

/// Returns the move that undoes `action`.
pub(super) fn opposite(action: usize) -> usize {
    (action + 2) % MOVES.len()
}

/// Returns the name of `action`; of other numbers the number.
pub(super) fn move_name(action: usize) -> String {
    MOVES.get(action).map_or_else(|| action.to_string(), ToString::to_string)
}

/// A reflection of a grid. Each is its own inverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reflection {
    /// Left to right.
    Horizontal,
    /// Upside down.
    Vertical,
    /// Across the main diagonal of a square.
    Diagonal,
}

impl Reflection {
    /// Returns the image of `cell` in a grid of `height` rows and `width` columns.
    pub(super) fn image(self, (height, width): (usize, usize), cell: usize) -> usize {
        let (row, column) = (cell / width, cell % width);
        match self {
            Self::Horizontal => row * width + (width - 1 - column),
            Self::Vertical => (height - 1 - row) * width + column,
            Self::Diagonal => column * width + row,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflections_of_a_2_by_3_grid() {
        let image =
            |reflection: Reflection| [0, 1, 2, 3, 4, 5].map(|c| reflection.image((2, 3), c));
        assert_eq!(image(Reflection::Horizontal), [2, 1, 0, 5, 4, 3]);
        assert_eq!(image(Reflection::Vertical), [3, 4, 5, 0, 1, 2]);
        assert_eq!([0, 1, 2, 3].map(|c| Reflection::Diagonal.image((2, 2), c)), [0, 2, 1, 3]);
    }
}
