//! Where lists begin and values are missing, as Parquet tells it beside a column's values.
//!
//! Each value, and each empty list or null in place of one, has two levels. Repetition: the depth
//! of the list that it continues, 0 in a new row. Definition: how many of the lists and optional
//! fields around it are there.

use crate::graph::Shape;

/// The levels of one column; none where a column has neither lists nor nulls.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Levels {
    pub(super) fn definition(&self) -> Option<&[i16]> {
        (!self.definition.is_empty()).then_some(&self.definition)
    }

    pub(super) fn repetition(&self) -> Option<&[i16]> {
        (!self.repetition.is_empty()).then_some(&self.repetition)
    }

    fn push(&mut self, definition: i16, repetition: i16) {
        self.definition.push(definition);
        self.repetition.push(repetition);
    }
}

/// Of values of which some are missing.
pub(super) fn of_optional(is_there: impl Iterator<Item = bool>) -> Levels {
    Levels {
        definition: is_there.map(i16::from).collect(),
        repetition: vec![],
    }
}

/// Of lists of such lengths.
pub(super) fn of_lists(lengths: impl Iterator<Item = usize>) -> Levels {
    let mut levels = Levels::default();
    for length in lengths {
        if length == 0 {
            levels.push(0, 0);
        }
        for place in 0..length {
            levels.push(1, i16::from(place > 0));
        }
    }
    levels
}

/// Of lists of shapes, whose dimensions may be unknown.
pub(super) fn of_shapes<'a>(lists: impl Iterator<Item = &'a [Shape]>) -> Levels {
    let mut levels = Levels::default();
    for shapes in lists {
        if shapes.is_empty() {
            levels.push(0, 0);
        }
        for (place, shape) in shapes.iter().enumerate() {
            let next_shape = i16::from(place > 0);
            if shape.0.is_empty() {
                levels.push(1, next_shape);
            }
            for (axis, dim) in shape.0.iter().enumerate() {
                let definition = 2 + i16::from(dim.is_some());
                levels.push(definition, if axis > 0 { 2 } else { next_shape });
            }
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_takes_a_place_of_its_own() {
        let levels = of_lists([2, 0, 1].into_iter());
        assert_eq!(levels.definition, [1, 1, 0, 1]);
        assert_eq!(levels.repetition, [0, 1, 0, 0]);
    }

    #[test]
    fn an_unknown_dimension_and_a_shape_without_any_are_told_apart() {
        let rows = [
            vec![Shape(vec![Some(1), None]), Shape(vec![])],
            vec![],
            vec![Shape(vec![]), Shape(vec![Some(2)])],
        ];
        let levels = of_shapes(rows.iter().map(Vec::as_slice));
        assert_eq!(levels.definition, [3, 2, 1, 0, 1, 3]);
        assert_eq!(levels.repetition, [0, 2, 1, 0, 0, 1]);
    }
}
