//! Every rule of canonicalisation at work on a real export.
//!
//! Each case says what the file holds and what the published architecture has; the digest must be
//! that of the torch trace, which never saw ONNX.

use crate::fixtures::Export;
use netkin::graph::{Key, Operator};

type Counts<'a> = &'a [(&'a str, usize)];

/// Opens an export and holds it to what it should hold and become.
fn check(model: &str, route: &str, written: Counts<'_>, becomes: Counts<'_>) -> Export {
    let export = Export::open(model, route);
    for (op, count) in written {
        let found = export.written(op);
        assert_eq!(found, *count, "{op} in the file of {model} as {route}");
    }
    for (operator, count) in becomes {
        let found = export.count(operator);
        assert_eq!(found, *count, "{operator} in {model} as {route}");
    }
    let traced = Export::open(model, "trace").architecture.digests();
    let exported = export.architecture.digests();
    assert_eq!(exported.exact, traced.exact, "{model} as {route}");
    export
}

// Scales

#[test]
fn constant_factors_of_a_vision_transformer_vanish() {
    // Roots of the head width, halves of the GELU.
    let written = [("Mul", 49), ("Div", 24), ("Sqrt", 36), ("Cast", 24)];
    let becomes = [("mul", 0), ("div", 0), ("sqrt", 0), ("scale", 0)];
    check("vit_tiny_patch16_224", "ts17", &written, &becomes);
}

#[test]
fn the_negations_of_rotary_embeddings_stay() {
    check("llama", "ts17", &[("Neg", 6)], &[("scale", 6)]);
}

// Norms

#[test]
fn layer_norms_written_out_are_layer_norms() {
    let written = [("ReduceMean", 34), ("Sub", 17), ("Pow", 17), ("Sqrt", 17)];
    let becomes = [
        ("layer_norm", 17),
        ("reduce_mean", 0),
        ("sub", 0),
        ("pow", 0),
    ];
    check("convnext_atto", "ts11", &written, &becomes);
    check(
        "convnext_atto",
        "dyn23",
        &[("LayerNormalization", 17)],
        &becomes,
    );
}

#[test]
fn rms_norms_written_out_are_rms_norms() {
    let becomes = [
        ("rms_norm", 12),
        ("reduce_mean", 0),
        ("pow", 0),
        ("sqrt", 0),
    ];
    check("t5", "ts17", &[("ReduceMean", 12), ("Div", 16)], &becomes);
    // Multiplication by a reciprocal root.
    check(
        "t5",
        "dyn18",
        &[("ReduceMean", 12), ("Reciprocal", 12)],
        &becomes,
    );
    check("t5", "dyn23", &[("RMSNormalization", 12)], &becomes);
}

#[test]
fn instance_norms_over_reshaped_values_are_group_norms() {
    let becomes = [("group_norm", 24), ("instance_norm", 0)];
    check(
        "poolformer_s12",
        "ts17",
        &[("InstanceNormalization", 24)],
        &becomes,
    );
    check(
        "poolformer_s12",
        "dyn23",
        &[("GroupNormalization", 24)],
        &becomes,
    );
}

#[test]
fn division_by_a_clipped_norm_is_normalisation() {
    let written = [("ReduceL2", 24), ("Clip", 24), ("Expand", 28)];
    let becomes = [("lp_normalize", 24), ("reduce_norm", 0), ("clip", 0)];
    check("xcit_nano_12_p16_224", "ts17", &written, &becomes);
}

// Gates

#[test]
fn gates_of_squeeze_and_excitation_are_told_from_activations() {
    let becomes = [("silu", 49), ("sigmoid", 16), ("mul", 16)];
    check(
        "efficientnet_b0",
        "ts17",
        &[("Sigmoid", 65), ("Mul", 65)],
        &becomes,
    );
}

#[test]
fn hard_swish_is_one_operator_at_every_opset() {
    let becomes = [("hard_swish", 19), ("hard_sigmoid", 9), ("mul", 9)];
    let opened = [("HardSigmoid", 28), ("Mul", 28), ("HardSwish", 0)];
    check("mobilenet_v3_small", "ts11", &opened, &becomes);
    check("mobilenet_v3_small", "ts17", &[("HardSwish", 19)], &becomes);
}

// GELU

#[test]
fn gelu_is_one_operator_however_it_is_approximated() {
    let error = [("gelu", 12), ("erf", 0)];
    check("vit_tiny_patch16_224", "ts17", &[("Erf", 12)], &error);
    check("vit_tiny_patch16_224", "dyn20", &[("Gelu", 12)], &error);
    let tangent = [("gelu", 3), ("tanh", 0), ("pow", 0)];
    check("gpt2", "ts17", &[("Tanh", 3), ("Pow", 3)], &tangent);
    let sigmoid = [("gelu", 3), ("sigmoid", 0), ("silu", 0)];
    check("clip_vision", "ts17", &[("Sigmoid", 3)], &sigmoid);
}

// Affine parts

#[test]
fn batch_norms_after_convolutions_vanish() {
    let written = [("Conv", 20), ("BatchNormalization", 20)];
    check(
        "resnet18",
        "bn",
        &written,
        &[("conv", 20), ("batch_norm", 0)],
    );
}

#[test]
fn batch_norms_before_convolutions_and_on_identities_stay() {
    let unfolded = [("BatchNormalization", 62)];
    check(
        "densenet121",
        "ts17",
        &unfolded,
        &[("batch_norm", 62), ("conv", 120)],
    );
    let identities = [("BatchNormalization", 17)];
    check(
        "repvgg_a0",
        "dyn20",
        &identities,
        &[("batch_norm", 17), ("conv", 44)],
    );
}

#[test]
fn affine_layers_written_as_factor_and_shift_are_batch_norms() {
    let written = [("BatchNormalization", 0), ("Mul", 98), ("Add", 97)];
    let becomes = [("batch_norm", 25), ("mul", 24), ("add", 24)];
    check("resmlp_12_224", "ts17", &written, &becomes);
}

#[test]
fn biases_of_linear_layers_vanish() {
    // Twelve blocks of four and a head; sums are two residuals a block and the positions.
    let written = [("MatMul", 72), ("Gemm", 1), ("Add", 85)];
    let becomes = [("linear", 49), ("matmul", 0), ("add", 25)];
    check("vit_tiny_patch16_224", "shuffled", &written, &becomes);
}

// Attention

#[test]
fn products_around_a_softmax_are_attention() {
    let becomes = [("attention", 12), ("softmax", 0), ("matmul", 0)];
    let opened = [("Softmax", 12), ("Split", 12), ("Squeeze", 36)];
    let export = check("vit_tiny_patch16_224", "ts17", &opened, &becomes);
    for node in export.architecture.nodes() {
        if node.operator == Operator::Attention {
            assert_eq!(node.attributes.int(Key::Heads), Some(3));
            assert_eq!(node.attributes.get(Key::Bias), None);
        }
    }
    let whole = [("Attention", 12), ("Softmax", 0)];
    check("vit_tiny_patch16_224", "dyn23", &whole, &becomes);
}

#[test]
fn guards_against_not_a_number_and_masks_are_part_of_attention() {
    let written = [("Softmax", 3), ("IsNaN", 3), ("Where", 4), ("GatherND", 1)];
    let becomes = [
        ("attention", 3),
        ("where", 0),
        ("gather", 0),
        ("compare", 0),
    ];
    let export = check("llama", "dyn18", &written, &becomes);
    let masked = export.architecture.nodes().iter().filter(|node| {
        node.operator == Operator::Attention && node.attributes.word(Key::Bias) == Some("data")
    });
    // Positions and padding in one boolean mask are not told apart: both count as padding.
    assert_eq!(masked.count(), 0);
}

#[test]
fn queries_keys_and_values_read_one_projection() {
    let written = [("Softmax", 6), ("Gather", 19), ("Squeeze", 6)];
    let becomes = [("attention", 6), ("linear", 25), ("slice", 1)];
    check("torchvision_vit", "ts17", &written, &becomes);
}

#[test]
fn attention_over_channels_is_attention() {
    // Twelve layers across channels, two over the class token.
    let becomes = [("attention", 14), ("softmax", 0), ("matmul", 0)];
    check("xcit_nano_12_p16_224", "ts11", &[("Softmax", 14)], &becomes);
}

// Rolls, concatenations, duplicates

#[test]
fn shifted_windows_are_rolls() {
    let written = [("Slice", 82), ("Concat", 193), ("Mod", 54)];
    let becomes = [("roll", 10), ("slice", 0), ("concat", 0), ("attention", 12)];
    check("swin_tiny_patch4_window7_224", "ts17", &written, &becomes);
    let later = [("Slice", 76), ("Concat", 20), ("Mod", 0)];
    check("swin_tiny_patch4_window7_224", "dyn20", &later, &becomes);
}

#[test]
fn nested_concatenations_are_flat() {
    let becomes = [("concat", 11)];
    check("inception_v3", "dyn23", &[("Concat", 15)], &becomes);
    check("inception_v3", "ts17", &[("Concat", 11)], &becomes);
}

#[test]
fn concatenations_of_one_value_are_none() {
    check("densenet121", "ts17", &[("Concat", 62)], &[("concat", 58)]);
}

#[test]
fn equal_operators_over_equal_values_are_one() {
    // The stride of a tree is pooled twice in one exporter's file.
    let apart = Export::open("dla34", "ts17").written("MaxPool");
    let shared = Export::open("dla34", "dyn20").written("MaxPool");
    assert_eq!(apart, shared + 2);
    for (route, count) in [("ts17", apart), ("dyn20", shared)] {
        let becomes = [("max_pool", shared)];
        check("dla34", route, &[("MaxPool", count)], &becomes);
    }
}

// What lowering alone does

#[test]
fn plumbing_vanishes() {
    let export = check(
        "swin_tiny_patch4_window7_224",
        "ts17",
        &[("Shape", 186), ("Gather", 183), ("Unsqueeze", 370)],
        &[("gather", 0), ("unknown", 0)],
    );
    let written = export
        .raw
        .nodes
        .iter()
        .filter(|node| &*node.op != "constant");
    assert!(written.count() > 1_500);
    assert_eq!(export.architecture.operator_count(), 141);
}

#[test]
fn means_over_all_positions_are_global_pooling() {
    let becomes = [("global_avg_pool", 17), ("reduce_mean", 0)];
    check("efficientnet_b0", "dyn20", &[("ReduceMean", 17)], &becomes);
    check(
        "efficientnet_b0",
        "ts17",
        &[("GlobalAveragePool", 17)],
        &becomes,
    );
}

#[test]
fn recurrent_layers_are_one_node_whatever_prepares_their_weights() {
    let written = [("LSTM", 2), ("Slice", 52), ("Concat", 30)];
    let becomes = [("lstm", 2), ("slice", 0), ("concat", 0), ("linear", 1)];
    let export = check("bilstm_tagger", "bn", &written, &becomes);
    for node in export.architecture.nodes() {
        if node.operator == Operator::Lstm {
            assert_eq!(node.attributes.word(Key::Direction), Some("both"));
        }
    }
}
