//! Shape arithmetic: evaluates small static values, so that reshape targets and slice bounds are
//! known. An unknown element is not a number and stays so through arithmetic.

use crate::graph::Shape;
use crate::import::canonical::work::{Operand, Static};
use std::rc::Rc;

/// Longer values are never needed to know a shape.
pub(super) const MOST_VALUES: u64 = 1024;

fn values(operand: Option<&Operand>) -> Option<&[f64]> {
    operand?.as_static()?.values.as_deref()
}

fn vector(values: Vec<f64>) -> Option<Static> {
    if values.len() as u64 > MOST_VALUES {
        return None;
    }
    let shape = Shape::known(&[values.len() as u64]);
    Some(Static {
        shape: Some(shape),
        values: Some(Rc::from(values)),
    })
}

/// The shape of a value as a constant vector.
pub(super) fn shape_of(operand: &Operand) -> Option<Static> {
    let dims = &operand.shape()?.0;
    vector(
        dims.iter()
            .map(|dim| dim.map_or(f64::NAN, |dim| dim as f64))
            .collect(),
    )
}

/// Evaluates ONNX operator `op` over static operands, when it is simple and small.
pub(super) fn fold(op: &str, operands: &[Operand], axis: Option<i64>) -> Option<Static> {
    let first = values(operands.first());
    match op {
        "Concat" => {
            let mut all = Vec::new();
            for operand in operands {
                all.extend_from_slice(values(Some(operand))?);
                if all.len() as u64 > MOST_VALUES {
                    return None;
                }
            }
            vector(all)
        }
        "Neg" => unary(operands, |x| -x),
        "Floor" => unary(operands, f64::floor),
        "Ceil" => unary(operands, f64::ceil),
        "Sqrt" => unary(operands, f64::sqrt),
        "Reciprocal" => unary(operands, |x| 1.0 / x),
        "Add" => binary(operands, |a, b| a + b),
        "Sub" => binary(operands, |a, b| a - b),
        "Mul" => binary(operands, |a, b| a * b),
        "Div" => binary(operands, |a, b| {
            if a.fract() == 0.0
                && b.fract() == 0.0
                && b != 0.0
                && a % b != 0.0
                && a.abs() >= b.abs()
            {
                (a / b).trunc()
            } else {
                a / b
            }
        }),
        "Mod" => binary(operands, |a, b| a - b * (a / b).floor()),
        "Min" => binary(operands, f64::min),
        "Max" => binary(operands, f64::max),
        "Pow" => binary(operands, f64::powf),
        "Equal" => binary(operands, |a, b| {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else {
                f64::from(u8::from(a == b))
            }
        }),
        "Where" => select(operands),
        "DequantizeLinear" => dequantise(operands),
        "ReduceProd" => {
            let _ = axis;
            vector(vec![first?.iter().product()]).map(as_scalar)
        }
        "Range" => {
            let [start, limit, step] =
                [0, 1, 2].map(|place| values(operands.get(place)).and_then(|v| v.first().copied()));
            range(start?, limit?, step?)
        }
        _ => None,
    }
}

/// (x - zero point) x scale, with one scale for all.
fn dequantise(operands: &[Operand]) -> Option<Static> {
    let only = |place: usize| operands.get(place)?.as_static()?.as_scalar();
    let (scale, zero) = (only(1)?, only(2).unwrap_or(0.0));
    unary(operands, |x| (x - zero) * scale)
}

fn as_scalar(value: Static) -> Static {
    Static {
        shape: Some(Shape::default()),
        values: value.values,
    }
}

fn range(start: f64, limit: f64, step: f64) -> Option<Static> {
    let count = ((limit - start) / step).ceil();
    if !(0.0..=MOST_VALUES as f64).contains(&count) {
        return None;
    }
    vector(
        (0..count as usize)
            .map(|place| start + step * place as f64)
            .collect(),
    )
}

/// The elements at `places` of one axis, in that order. A shape may promise more than there is.
pub(super) fn take(source: &Static, axis: i64, places: &[usize]) -> Option<Static> {
    let (shape, values) = (source.shape.as_ref()?, source.values.as_ref()?);
    if shape.elements()? != values.len() as u64 {
        return None;
    }
    let axis = shape.axis(axis)?;
    let mut taken = Vec::new();
    if !values.is_empty() {
        let dims: Vec<usize> = shape.0.iter().flatten().map(|dim| *dim as usize).collect();
        let inner: usize = dims[axis + 1..].iter().product();
        let outer: usize = dims[..axis].iter().product();
        if (outer * inner).saturating_mul(places.len()) as u64 > MOST_VALUES {
            return None;
        }
        for block in 0..outer {
            for place in places {
                let start = (block * dims[axis])
                    .checked_add(*place)?
                    .checked_mul(inner)?;
                taken.extend_from_slice(values.get(start..)?.get(..inner)?);
            }
        }
    }
    let mut shape = shape.clone();
    shape.0[axis] = Some(places.len() as u64);
    Some(Static {
        shape: Some(shape),
        values: Some(Rc::from(taken)),
    })
}

/// The positions of a slice on an axis of `total` elements, bounds clamped as ONNX does.
pub(super) fn places(total: usize, start: i64, end: i64, step: i64) -> Vec<usize> {
    let total = total as i64;
    let wrap = |bound: i64| {
        if bound < 0 {
            bound.saturating_add(total)
        } else {
            bound
        }
    };
    if step > 0 {
        let (start, end) = (wrap(start).clamp(0, total), wrap(end).clamp(0, total));
        (start..end)
            .step_by(step.unsigned_abs() as usize)
            .map(|place| place as usize)
            .collect()
    } else {
        let (start, end) = (
            wrap(start).clamp(-1, total - 1),
            wrap(end).clamp(-1, total - 1),
        );
        let step = step.unsigned_abs().max(1) as usize;
        (end + 1..=start)
            .rev()
            .step_by(step)
            .map(|place| place as usize)
            .collect()
    }
}

/// A matrix with its axes exchanged; other ranks are not needed to know shapes.
pub(super) fn transpose(source: &Static) -> Option<Static> {
    let (shape, values) = (source.shape.as_ref()?, source.values.as_ref()?);
    let [Some(rows), Some(columns)] = shape.0[..] else {
        return None;
    };
    if rows.checked_mul(columns)? != values.len() as u64 || values.is_empty() {
        return None;
    }
    let (rows, columns) = (rows as usize, columns as usize);
    let moved = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    let moved = moved
        .map(|place| values.get(place).copied())
        .collect::<Option<Vec<_>>>()?;
    let shape = Shape::known(&[columns as u64, rows as u64]);
    Some(Static {
        shape: Some(shape),
        values: Some(Rc::from(moved)),
    })
}

fn unary(operands: &[Operand], f: impl Fn(f64) -> f64) -> Option<Static> {
    let value = operands.first()?.as_static()?;
    let computed: Vec<f64> = value.values.as_ref()?.iter().map(|x| f(*x)).collect();
    Some(Static {
        shape: value.shape.clone(),
        values: Some(Rc::from(computed)),
    })
}

fn binary(operands: &[Operand], f: impl Fn(f64, f64) -> f64) -> Option<Static> {
    let (left, right) = (
        operands.first()?.as_static()?,
        operands.get(1)?.as_static()?,
    );
    let (a, b) = (left.values.as_ref()?, right.values.as_ref()?);
    let computed: Vec<f64> = match (a.len(), b.len()) {
        (x, y) if x == y => a.iter().zip(b.iter()).map(|(a, b)| f(*a, *b)).collect(),
        (_, 1) => a.iter().map(|a| f(*a, b[0])).collect(),
        (1, _) => b.iter().map(|b| f(a[0], *b)).collect(),
        _ => return None,
    };
    let shape = if a.len() >= b.len() {
        left.shape.clone()
    } else {
        right.shape.clone()
    };
    Some(Static {
        shape,
        values: Some(Rc::from(computed)),
    })
}

fn select(operands: &[Operand]) -> Option<Static> {
    let [condition, yes, no] = [0, 1, 2].map(|place| values(operands.get(place)));
    let (condition, yes, no) = (condition?, yes?, no?);
    let len = condition.len().max(yes.len()).max(no.len());
    let pick = |values: &[f64], place: usize| {
        if values.len() == 1 {
            Some(values[0])
        } else {
            values.get(place).copied()
        }
    };
    let chosen = (0..len)
        .map(|place| {
            let condition = pick(condition, place)?;
            if condition.is_nan() {
                Some(f64::NAN)
            } else if condition != 0.0 {
                pick(yes, place)
            } else {
                pick(no, place)
            }
        })
        .collect::<Option<Vec<_>>>()?;
    vector(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(values: &[f64]) -> Operand {
        Operand::Static(vector(values.to_vec()).unwrap())
    }

    fn folded(op: &str, operands: &[Operand]) -> Option<Vec<f64>> {
        fold(op, operands, None)?
            .values
            .map(|values| values.to_vec())
    }

    #[test]
    fn a_reshape_target_is_computed() {
        let source = vector(vec![1.0, 64.0, 7.0, 7.0]).unwrap();
        let part = take(&source, 0, &[1]).unwrap();
        let target = folded("Concat", &[Operand::Static(part), constant(&[-1.0])]);
        assert_eq!(target, Some(vec![64.0, -1.0]));
    }

    #[test]
    fn an_unknown_dimension_stays_unknown() {
        let product = folded("Mul", &[constant(&[f64::NAN, 2.0]), constant(&[3.0])]).unwrap();
        assert!(product[0].is_nan());
        assert_eq!(product[1], 6.0);
    }

    #[test]
    fn hostile_ranges_are_not_materialised() {
        assert_eq!(
            folded(
                "Range",
                &[constant(&[0.0]), constant(&[1e18]), constant(&[1.0])]
            ),
            None
        );
        assert_eq!(
            folded(
                "Range",
                &[constant(&[0.0]), constant(&[1.0]), constant(&[0.0])]
            ),
            None
        );
    }

    #[test]
    fn slices_clamp_their_bounds() {
        assert_eq!(places(3, -2, i64::MAX, 1), [1, 2]);
        assert_eq!(places(3, -1, i64::MIN, -1), [2, 1, 0]);
        assert_eq!(places(0, 0, 5, 1), [0usize; 0]);
    }

    #[test]
    fn padding_pairs_are_reversed_and_transposed() {
        let pairs = Static {
            shape: Some(Shape::known(&[2, 2])),
            values: Some(Rc::from([0.0, 1.0, 2.0, 3.0])),
        };
        let reversed = take(&pairs, 0, &places(2, -1, i64::MIN, -1)).unwrap();
        let moved = transpose(&reversed).unwrap();
        assert_eq!(moved.values.as_deref(), Some(&[2.0, 0.0, 3.0, 1.0][..]));
    }
}
