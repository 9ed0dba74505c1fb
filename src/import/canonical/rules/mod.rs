//! The rewrites, in the order they build on each other.

mod affine;
mod attention;
mod concat;
mod duplicate;
mod gate;
mod gelu;
mod mask;
mod norm;
mod roll;
mod scale;

use super::work::Work;

pub(super) fn apply(work: &mut Work) {
    for rule in [
        scale::merge,
        norm::fuse,
        gate::fuse_hard_sigmoid,
        gelu::fuse,
        gate::fuse_gates,
        affine::absorb,
        attention::fuse,
        attention::absorb_projections,
        roll::fuse,
        roll::merge,
        scale::drop_neutral,
        concat::flatten,
        duplicate::merge,
    ] {
        rule(work);
        work.sweep();
    }
}
