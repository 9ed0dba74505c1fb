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
            }
            vector(all)
        }
        "Gather" => gather(first?, operands.get(1)?),
        "Slice" => slice(first?, operands),
        "Cast" | "Identity" | "Unsqueeze" | "Squeeze" | "Reshape" | "CastLike" => {
            let kept = operands.first()?.as_static()?;
            let shape = match op {
                "Squeeze" if kept.values.as_ref()?.len() == 1 => Some(Shape::default()),
                "Unsqueeze" | "Reshape" => {
                    Some(Shape::known(&[kept.values.as_ref()?.len() as u64]))
                }
                _ => kept.shape.clone(),
            };
            Some(Static {
                shape,
                values: kept.values.clone(),
            })
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

fn gather(values: &[f64], indices: &Operand) -> Option<Static> {
    let indices = indices.as_static()?;
    let scalar = indices
        .shape
        .as_ref()
        .is_some_and(|shape| shape.rank() == 0);
    let picked = indices
        .values
        .as_ref()?
        .iter()
        .map(|index| at(values, *index))
        .collect::<Option<Vec<_>>>()?;
    vector(picked).map(|value| if scalar { as_scalar(value) } else { value })
}

fn at(values: &[f64], index: f64) -> Option<f64> {
    let place = if index < 0.0 {
        values.len() as f64 + index
    } else {
        index
    };
    if place.is_nan() {
        None
    } else {
        values.get(place as usize).copied()
    }
}

fn slice(source: &[f64], operands: &[Operand]) -> Option<Static> {
    let bound = |place: usize| values(operands.get(place)).and_then(|v| v.first().copied());
    let (start, end) = (bound(1)?, bound(2)?);
    if bound(4).is_some_and(|step| step != 1.0) || start.is_nan() || end.is_nan() {
        return None;
    }
    let len = source.len() as f64;
    let clamp = |x: f64| (if x < 0.0 { len + x } else { x }).clamp(0.0, len) as usize;
    let (start, end) = (clamp(start), clamp(end));
    vector(source.get(start..end.max(start))?.to_vec())
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
        let part = fold(
            "Gather",
            &[constant(&[1.0, 64.0, 7.0, 7.0]), constant(&[1.0])],
            None,
        )
        .unwrap();
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
        let operands = [
            constant(&[1.0, 2.0, 3.0]),
            constant(&[-2.0]),
            constant(&[9e18]),
        ];
        assert_eq!(folded("Slice", &operands), Some(vec![2.0, 3.0]));
    }
}
