use super::testing::{
    Proto, body, call, chain, function, graph, import, model, node, only, ops, tensor,
};
use crate::graph::{Edge, Shape};
use crate::import::{Dialect, RawValue};

#[test]
fn nodes_become_edges_by_name() {
    let raw = import(
        &chain(&[
            node("Relu", &["x"], &["a"]),
            node("Add", &["a", "x"], &["y"]),
        ])
        .text(2, "pytorch")
        .text(3, "2.9")
        .0,
    )
    .unwrap();
    assert_eq!(raw.dialect, Dialect::Onnx);
    assert_eq!(raw.producer.as_deref(), Some("pytorch/2.9"));
    assert_eq!(ops(&raw), ["input", "Relu", "Add"]);
    let inputs = [1, 0].map(|node| Some(Edge { node, port: 0 }));
    assert_eq!(raw.nodes[2].inputs, inputs);
    assert_eq!(raw.outputs, [Edge { node: 2, port: 0 }]);
}

#[test]
fn an_optional_operand_left_out_keeps_its_place() {
    let raw = import(&chain(&[node("Clip", &["x", "", "x"], &["y"])]).0).unwrap();
    assert_eq!(only(&raw, "Clip").inputs[1], None);
    assert_eq!(only(&raw, "Clip").inputs.len(), 3);
}

#[test]
fn attributes_are_read_in_every_encoding() {
    let attribute = |name: &str| Proto::new().text(1, name);
    let attributes = [
        attribute("float").float(2, 0.5),
        attribute("int").int(3, -7),
        attribute("text").text(4, "SAME"),
        attribute("packed").packed(8, &[1, -2]),
        attribute("loose").int(8, 3).int(8, 4),
        attribute("floats").float(7, 1.0).float(7, f32::INFINITY),
        attribute("zero").int(20, 2),
        attribute("empty").int(20, 7),
        attribute("bytes").bytes(4, b"\xff"),
    ];
    let relu = node("Odd", &["x"], &["y"]).messages(5, attributes);
    let raw = import(&chain(&[relu]).0).unwrap();
    let odd = only(&raw, "Odd");
    let ints = |values: &[i64]| RawValue::List(values.iter().map(|v| RawValue::Int(*v)).collect());
    assert_eq!(odd.attribute("float"), Some(&RawValue::Float(0.5)));
    assert_eq!(odd.attribute("int"), Some(&RawValue::Int(-7)));
    assert_eq!(odd.attribute("text"), Some(&RawValue::Text("SAME".into())));
    assert_eq!(odd.attribute("packed"), Some(&ints(&[1, -2])));
    assert_eq!(odd.attribute("loose"), Some(&ints(&[3, 4])));
    let floats = [1.0, f64::INFINITY].map(RawValue::Float).to_vec();
    assert_eq!(odd.attribute("floats"), Some(&RawValue::List(floats)));
    assert_eq!(odd.attribute("zero"), Some(&RawValue::Int(0)));
    assert_eq!(odd.attribute("empty"), Some(&ints(&[])));
    let bytes = RawValue::Other("bytes".into());
    assert_eq!(odd.attribute("bytes"), Some(&bytes));
}

/// The values of a one-dimensional initialiser.
fn values_of(kind: i64, count: i64, payload: impl Fn(Proto) -> Proto) -> Option<Vec<f64>> {
    let weights = payload(tensor("w", kind, &[count]));
    let graph = graph(&[node("Add", &["x", "w"], &["y"])], &["x"], &["y"]).message(5, weights);
    let raw = import(&model(graph).0).unwrap();
    match only(&raw, "constant").attribute("value") {
        Some(RawValue::Constant { values, shape }) => {
            assert_eq!(shape.rank(), 1);
            values.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn small_tensors_keep_their_values_in_every_encoding() {
    let halves = [0x3c00u16, 0xc000].map(u16::to_le_bytes).concat();
    let cases = [
        values_of(1, 2, |t| {
            t.bytes(9, &[1f32, -2.0].map(f32::to_le_bytes).concat())
        }),
        values_of(1, 2, |t| {
            t.bytes(4, &[1f32, -2.0].map(f32::to_le_bytes).concat())
        }),
        values_of(1, 2, |t| t.float(4, 1.0).float(4, -2.0)),
        values_of(11, 2, |t| {
            t.bytes(10, &[1f64, -2.0].map(f64::to_le_bytes).concat())
        }),
        values_of(7, 2, |t| {
            t.bytes(9, &[1i64, -2].map(i64::to_le_bytes).concat())
        }),
        values_of(7, 2, |t| t.packed(7, &[1, -2])),
        values_of(7, 2, |t| t.int(7, 1).int(7, -2)),
        values_of(6, 2, |t| t.packed(5, &[1, -2])),
        values_of(3, 2, |t| t.bytes(9, &[1, 0xfe])),
        values_of(10, 2, |t| t.bytes(9, &halves)),
        values_of(10, 2, |t| t.packed(5, &[0x3c00, 0xc000])),
        values_of(16, 2, |t| t.packed(5, &[0x3f80, 0xc000])),
    ];
    for (index, case) in cases.into_iter().enumerate() {
        assert_eq!(case, Some(vec![1.0, -2.0]), "case {index}");
    }
    let large = values_of(13, 1, |t| t.packed(11, &[-1]));
    assert_eq!(large, Some(vec![u64::MAX as f64]));
}

#[test]
fn values_that_are_absent_or_of_another_number_are_unknown() {
    assert_eq!(values_of(1, 2, |t| t), None);
    assert_eq!(values_of(1, 2, |t| t.bytes(9, &[0; 4])), None);
    assert_eq!(values_of(1, 2, |t| t.bytes(9, &[0; 12])), None);
    assert_eq!(values_of(1, 2000, |t| t.bytes(9, &[0; 8000])), None);
    assert_eq!(values_of(1, 1, |t| t.bytes(9, &[0; 4]).int(14, 1)), None);
}

#[test]
fn parameters_are_the_elements_of_trainable_tensors() {
    let graph = graph(&[node("Conv", &["x", "w", "b"], &["y"])], &["x"], &["y"])
        .message(5, tensor("w", 1, &[64, 3, 7, 7]))
        .message(5, tensor("b", 10, &[64]))
        .message(5, tensor("index", 7, &[512]))
        .message(5, tensor("scale", 1, &[]));
    let raw = import(&model(graph).0).unwrap();
    assert_eq!(raw.parameters, Some(64 * 3 * 7 * 7 + 64));
}

#[test]
fn constant_nodes_count_as_initialisers_do() {
    let held = |tensor: Proto| {
        let attribute = Proto::new().text(1, "value").message(5, tensor);
        node("Constant", &[], &["w"]).message(5, attribute)
    };
    let parameters = |constant: Proto| {
        let nodes = [constant, node("Add", &["x", "w"], &["y"])];
        import(&chain(&nodes).0).unwrap().parameters
    };
    assert_eq!(parameters(held(tensor("", 1, &[2000]))), Some(2000));
    assert_eq!(parameters(held(tensor("", 7, &[2000]))), Some(0));
    let texts = Proto::new().text(1, "value_strings").texts(9, &["a", "b"]);
    let constant = node("Constant", &[], &["w"]).message(5, texts);
    assert_eq!(parameters(constant), Some(0));
}

#[test]
fn constant_nodes_hold_lists_and_scalars() {
    let value = |attribute: Proto| {
        let note = Proto::new().text(1, "note");
        let constant = node("Constant", &[], &["c"]).messages(5, [note, attribute]);
        let nodes = [constant, node("Reshape", &["x", "c"], &["y"])];
        let raw = import(&chain(&nodes).0).unwrap();
        only(&raw, "constant").attribute("value").cloned()
    };
    let constant = |shape: &[u64], values: &[f64]| {
        Some(RawValue::Constant {
            shape: Shape::known(shape),
            values: Some(values.to_vec()),
        })
    };
    let ints = Proto::new().text(1, "value_ints").packed(8, &[1, -1]);
    assert_eq!(value(ints), constant(&[2], &[1.0, -1.0]));
    let float = Proto::new().text(1, "value_float").float(2, 0.5);
    assert_eq!(value(float), constant(&[], &[0.5]));
}

#[test]
fn functions_are_inlined_with_the_attributes_of_the_call() {
    let reference = Proto::new().text(1, "alpha").text(21, "slope").int(20, 1);
    let inner = node("LeakyRelu", &["a"], &["b"]).message(5, reference);
    let with_default = function("Act", &["a"], &["b"], &[inner])
        .message(11, Proto::new().text(1, "slope").float(2, 0.5));
    let given = Proto::new().text(1, "slope").float(2, 0.25);
    let nodes = [
        call("Act", &["x"], &["m"]).message(5, given),
        call("Act", &["m"], &["y"]),
    ];
    let raw = import(&chain(&nodes).message(25, with_default).0).unwrap();
    assert_eq!(ops(&raw), ["input", "LeakyRelu", "LeakyRelu"]);
    let slope = |node: usize| raw.nodes[node].attribute("alpha").cloned();
    assert_eq!(slope(1), Some(RawValue::Float(0.25)));
    assert_eq!(slope(2), Some(RawValue::Float(0.5)));
}

#[test]
fn functions_of_one_name_in_two_domains_are_two_functions() {
    let outer = function(
        "F",
        &["a"],
        &["b"],
        &[node("F", &["a"], &["b"]).text(7, "other")],
    );
    let inner = Proto::new()
        .text(1, "F")
        .texts(4, &["a"])
        .texts(5, &["b"])
        .message(7, node("Relu", &["a"], &["b"]))
        .text(10, "other");
    let nodes = [call("F", &["x"], &["y"])];
    let raw = import(&chain(&nodes).messages(25, [outer, inner]).0).unwrap();
    assert_eq!(ops(&raw), ["input", "Relu"]);
}

#[test]
fn a_function_does_not_see_its_callers_shapes() {
    let shape = |name: &str, dim: i64| {
        let dim = Proto::new().message(1, Proto::new().int(1, dim));
        let tensor = Proto::new().message(2, dim);
        Proto::new()
            .text(1, name)
            .message(2, Proto::new().message(1, tensor))
    };
    let inner = function(
        "F",
        &["a"],
        &["c"],
        &[node("Relu", &["a"], &["b"]), node("Tanh", &["b"], &["c"])],
    );
    let nodes = [node("Exp", &["x"], &["b"]), call("F", &["b"], &["y"])];
    let graph = graph(&nodes, &["x"], &["y"]).message(13, shape("b", 5));
    let raw = import(&model(graph).message(25, inner).0).unwrap();
    assert_eq!(only(&raw, "Exp").shapes, [Some(Shape::known(&[5]))]);
    assert_eq!(only(&raw, "Relu").shapes, [None]);
}

#[test]
fn a_loop_takes_one_turn() {
    let inner = graph(
        &[
            node("Identity", &["more"], &["again"]),
            node("Tanh", &["state"], &["next"]),
        ],
        &["turn", "more", "state"],
        &["again", "next"],
    );
    let looped = node("Loop", &["", "", "x"], &["y"]).message(5, body("body", inner));
    let raw = import(&chain(&[looped]).0).unwrap();
    assert_eq!(only(&raw, "Tanh").inputs, [Some(Edge::first(0))]);
    assert_eq!(raw.outputs.len(), 1);
}

#[test]
fn scan_skips_the_lengths_of_opset_8() {
    let inner = graph(&[node("Tanh", &["s"], &["t"])], &["s"], &["t"]);
    for inputs in [&["x"][..], &["", "x"]] {
        let scan = node("Scan", inputs, &["y"]).message(5, body("body", inner.clone()));
        let raw = import(&chain(&[scan]).0).unwrap();
        assert_eq!(only(&raw, "Tanh").inputs, [Some(Edge::first(0))]);
    }
}

#[test]
fn the_larger_branch_is_taken_whatever_the_order_and_the_nesting() {
    let guard = graph(
        &[node("Neg", &["x"], &["g"]), node("Neg", &["g"], &["h"])],
        &[],
        &["h"],
    );
    let net = graph(
        &[
            node("Relu", &["x"], &["a"]),
            node("Relu", &["a"], &["b"]),
            node("Relu", &["b"], &["c"]),
        ],
        &[],
        &["c"],
    );
    let wrapped = graph(
        &[node("If", &["x"], &["w"]).message(5, body("then_branch", net))],
        &[],
        &["w"],
    );
    let branches = [body("then_branch", guard), body("else_branch", wrapped)];
    let reversed = [branches[1].clone(), branches[0].clone()];
    for branches in [branches, reversed] {
        let raw = import(&chain(&[node("If", &["x"], &["y"]).messages(5, branches)]).0).unwrap();
        assert_eq!(ops(&raw), ["input", "Relu", "Relu", "Relu"]);
    }
}

#[test]
fn branches_of_equal_size_are_chosen_by_name_not_by_order() {
    let branch = |op: &str| graph(&[node(op, &["x"], &["b"])], &[], &["b"]);
    let branches = [
        body("then_branch", branch("Relu")),
        body("else_branch", branch("Tanh")),
    ];
    let reversed = [branches[1].clone(), branches[0].clone()];
    for branches in [branches, reversed] {
        let raw = import(&chain(&[node("If", &["x"], &["y"]).messages(5, branches)]).0).unwrap();
        assert_eq!(ops(&raw), ["input", "Relu"]);
    }
}

#[test]
fn a_name_inside_a_branch_is_no_dependency_outside() {
    // The branch computes its own `v`, and the node outside reads the branch.
    let inner = graph(
        &[node("Relu", &["x"], &["v"]), node("Relu", &["v"], &["w"])],
        &[],
        &["w"],
    );
    let nodes = [
        node("If", &["x"], &["m"]).message(5, body("then_branch", inner)),
        node("Tanh", &["m"], &["v"]),
        node("Exp", &["v"], &["y"]),
    ];
    assert!(import(&chain(&nodes).0).is_ok());
}

#[test]
fn importing_twice_gives_the_same_graph() {
    let nodes: Vec<Proto> = (0..50)
        .rev()
        .map(|i| {
            let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
            node("Relu", &[&from, "v0"], &[&to])
        })
        .collect();
    let bytes = model(graph(&nodes, &["v0"], &["v50"])).0;
    assert_eq!(import(&bytes), import(&bytes));
}
