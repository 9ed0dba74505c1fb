//! Shapes of ONNX results, since most files state only those of inputs and outputs.
//!
//! Anything that cannot be known is `None`: an unknown shape costs precision, never an error.

use crate::graph::Shape;

/// Dimensions that any model has. A shape of more is as good as unknown: were it kept, every node
/// behind it would copy it.
const MOST_DIMENSIONS: usize = 16;

/// The shape, unless it is absurd.
pub(super) fn kept(shape: Option<Shape>) -> Option<Shape> {
    shape.filter(|shape| shape.rank() <= MOST_DIMENSIONS)
}

/// Shape after broadcasting.
pub(super) fn broadcast(left: Option<&Shape>, right: Option<&Shape>) -> Option<Shape> {
    let (left, right) = (left?, right?);
    let rank = left.rank().max(right.rank());
    let dim = |shape: &Shape, place: usize| {
        let missing = rank - shape.rank();
        if place < missing {
            Some(1)
        } else {
            shape.0[place - missing]
        }
    };
    let dims = (0..rank).map(|place| match (dim(left, place), dim(right, place)) {
        (Some(1), other) | (other, Some(1)) => other,
        (Some(a), Some(_)) => Some(a),
        (known, None) | (None, known) => known,
    });
    Some(Shape(dims.collect()))
}

/// Shape after reshaping to `target`, in which 0 copies and -1 takes what is left.
pub(super) fn reshape(source: Option<&Shape>, target: &[f64]) -> Shape {
    let mut dims: Vec<Option<u64>> = target
        .iter()
        .enumerate()
        .map(|(place, dim)| match *dim {
            0.0 => source.and_then(|source| source.0.get(place).copied().flatten()),
            dim if dim > 0.0 => Some(dim as u64),
            _ => None,
        })
        .collect();
    if let Some(open) = target.iter().position(|dim| *dim == -1.0) {
        dims[open] = source.and_then(|source| left_over(source, &dims, open));
    }
    Shape(dims)
}

/// What the open dimension must be. Unknown dimensions are taken to be the same on both sides
/// when there are as many, as for a batch and a length that only pass through.
fn left_over(source: &Shape, dims: &[Option<u64>], open: usize) -> Option<u64> {
    let others = || {
        dims.iter()
            .enumerate()
            .filter(|(place, _)| *place != open)
            .map(|(_, dim)| *dim)
    };
    let unknown = |count: usize| count == source.0.iter().filter(|dim| dim.is_none()).count();
    if !unknown(others().filter(Option::is_none).count()) {
        return None;
    }
    let multiply = |product: u64, dim: u64| product.checked_mul(dim);
    let all = source.0.iter().flatten().copied().try_fold(1, multiply)?;
    let known = others().flatten().try_fold(1, multiply)?;
    (known > 0 && all.is_multiple_of(known)).then(|| all / known)
}

pub(super) fn transpose(source: Option<&Shape>, order: Option<&[i64]>) -> Option<Shape> {
    let source = source?;
    match order {
        None => Some(Shape(source.0.iter().rev().copied().collect())),
        Some(order) => Some(Shape(order.iter().map(|axis| source.dim(*axis)).collect())),
    }
}

pub(super) fn unsqueeze(source: Option<&Shape>, axes: &[i64]) -> Option<Shape> {
    let source = source?;
    let rank = source.rank() + axes.len();
    if rank > MOST_DIMENSIONS {
        return None;
    }
    let mut axes: Vec<usize> = axes
        .iter()
        .map(|axis| {
            if *axis < 0 {
                axis.saturating_add(rank as i64)
            } else {
                *axis
            }
        })
        .filter_map(|axis| usize::try_from(axis).ok().filter(|axis| *axis < rank))
        .collect();
    axes.sort_unstable();
    let mut dims = source.0.clone();
    for axis in axes {
        dims.insert(axis.min(dims.len()), Some(1));
    }
    Some(Shape(dims))
}

pub(super) fn squeeze(source: Option<&Shape>, axes: Option<&[i64]>) -> Option<Shape> {
    let source = source?;
    let gone: Vec<usize> = match axes {
        Some(axes) => axes.iter().filter_map(|axis| source.axis(*axis)).collect(),
        None => (0..source.rank())
            .filter(|place| source.0[*place] == Some(1))
            .collect(),
    };
    Some(Shape(
        source
            .0
            .iter()
            .enumerate()
            .filter(|(place, _)| !gone.contains(place))
            .map(|(_, dim)| *dim)
            .collect(),
    ))
}

pub(super) fn flatten(source: Option<&Shape>, axis: i64) -> Option<Shape> {
    let source = source?;
    let split = source.axis(axis).unwrap_or(source.rank());
    let product = |dims: &[Option<u64>]| {
        dims.iter()
            .try_fold(1u64, |product, dim| product.checked_mul((*dim)?))
    };
    Some(Shape(vec![
        product(&source.0[..split]),
        product(&source.0[split..]),
    ]))
}

pub(super) fn reduce(source: Option<&Shape>, axes: &[i64], keep: bool) -> Option<Shape> {
    let source = source?;
    let gone: Vec<usize> = axes.iter().filter_map(|axis| source.axis(*axis)).collect();
    let everything = axes.is_empty();
    let dims = source.0.iter().enumerate().filter_map(|(place, dim)| {
        let reduced = everything || gone.contains(&place);
        if reduced {
            keep.then_some(Some(1))
        } else {
            Some(*dim)
        }
    });
    Some(Shape(dims.collect()))
}

pub(super) fn concat(shapes: &[Option<&Shape>], axis: i64) -> Option<Shape> {
    let first = shapes.iter().flatten().next()?;
    let axis = first.axis(axis)?;
    let total = shapes.iter().try_fold(0u64, |total, shape| {
        total.checked_add(shape.as_ref()?.0.get(axis).copied().flatten()?)
    });
    let mut dims = first.0.clone();
    dims[axis] = total;
    Some(Shape(dims))
}

pub(super) fn matmul(left: Option<&Shape>, right: Option<&Shape>) -> Option<Shape> {
    let (left, right) = (left?, right?);
    if left.rank() < 2 || right.rank() < 2 {
        return None;
    }
    let batch = broadcast(
        Some(&Shape(left.0[..left.rank() - 2].to_vec())),
        Some(&Shape(right.0[..right.rank() - 2].to_vec())),
    )?;
    let mut dims = batch.0;
    dims.extend([left.dim(-2), right.dim(-1)]);
    Some(Shape(dims))
}

/// Geometry of a sliding window over the spatial axes.
pub(super) struct Sliding<'a> {
    pub(super) kernel: &'a [i64],
    pub(super) stride: &'a [i64],
    pub(super) dilation: &'a [i64],
    pub(super) pads: &'a [i64],
    pub(super) same: bool,
    pub(super) ceil: bool,
}

pub(super) fn window(
    source: Option<&Shape>,
    channels: Option<u64>,
    sliding: &Sliding<'_>,
) -> Option<Shape> {
    let source = source?;
    let rank = sliding.kernel.len();
    if source.rank() != rank + 2 {
        return None;
    }
    let mut dims = vec![source.0[0], channels];
    dims.extend((0..rank).map(|place| slid(source.0[place + 2]?, sliding, place)));
    Some(Shape(dims))
}

fn slid(size: u64, sliding: &Sliding<'_>, place: usize) -> Option<u64> {
    let rank = sliding.kernel.len();
    let at = |values: &[i64], default: i64| values.get(place).copied().unwrap_or(default);
    let stride = at(sliding.stride, 1).max(1);
    let size = i64::try_from(size).ok()?;
    if sliding.same {
        return u64::try_from(size.checked_add(stride - 1)? / stride).ok();
    }
    let pads =
        at(sliding.pads, 0).checked_add(sliding.pads.get(place + rank).copied().unwrap_or(0))?;
    let reach = at(sliding.dilation, 1)
        .checked_mul(sliding.kernel[place].checked_sub(1)?)?
        .checked_add(1)?;
    let room = size.checked_add(pads)?.checked_sub(reach)?;
    let steps = if sliding.ceil {
        room.checked_add(stride - 1)?
    } else {
        room
    }
    .div_euclid(stride);
    u64::try_from(steps.checked_add(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reshape_fills_in_what_is_left() {
        let source = Shape::known(&[2, 3, 4]);
        assert_eq!(reshape(Some(&source), &[0.0, -1.0]), Shape::known(&[2, 12]));
        assert_eq!(reshape(Some(&source), &[0.0, 0.0, 0.0]), source);
        assert_eq!(
            reshape(Some(&source), &[f64::NAN, 5.0]),
            Shape(vec![None, Some(5)])
        );
    }

    #[test]
    fn a_window_slides_as_in_the_operator_reference() {
        let sliding = Sliding {
            kernel: &[7, 7],
            stride: &[2, 2],
            dilation: &[],
            pads: &[3, 3, 3, 3],
            same: false,
            ceil: false,
        };
        let shape = window(Some(&Shape::known(&[1, 3, 224, 224])), Some(64), &sliding);
        assert_eq!(shape, Some(Shape::known(&[1, 64, 112, 112])));
    }

    #[test]
    fn lying_geometry_is_unknown_rather_than_a_panic() {
        let sliding = Sliding {
            kernel: &[i64::MAX],
            stride: &[0],
            dilation: &[i64::MAX],
            pads: &[i64::MAX, i64::MAX],
            same: false,
            ceil: true,
        };
        assert_eq!(
            window(Some(&Shape::known(&[1, 3, 5])), None, &sliding),
            Some(Shape(vec![Some(1), None, None]))
        );
    }
}
