//! Files made to harm: each must end in an answer or an error, soon and in little memory.

use super::Error;
use super::testing::{
    Proto, body, call, chain, function, graph, import, import_within, model, node, only, ops,
    tensor,
};
use crate::import::{Limits, RawValue};
use std::time::{Duration, Instant};

fn is_too_large(outcome: Result<crate::import::RawGraph, Error>, what: &str) -> bool {
    matches!(outcome, Err(Error::TooLarge { what: found, .. }) if found == what)
}

fn is_damaged(outcome: Result<crate::import::RawGraph, Error>) -> bool {
    matches!(outcome, Err(Error::Damaged { .. }))
}

/// Far more than any of these needs, and far less than what the attack is after.
fn soon<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < Duration::from_secs(60));
    result
}

fn with_initialiser(tensor: Proto) -> Proto {
    let nodes = [node("Add", &["x", "w"], &["y"])];
    model(graph(&nodes, &["x"], &["y"]).message(5, tensor))
}

// 1, 2, 3, 5, 6: data outside the file.

#[test]
fn external_data_is_never_opened_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, 4242f32.to_le_bytes()).unwrap();
    let plain = secret.to_str().unwrap().to_string();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    let parent = folder.path().join("parent");
    std::os::unix::fs::symlink(folder.path(), &parent).unwrap();
    let through = parent.join("secret");
    let twin = folder.path().join("twin");
    std::fs::hard_link(&secret, &twin).unwrap();
    let locations = [
        plain.as_str(),
        link.to_str().unwrap(),
        through.to_str().unwrap(),
        twin.to_str().unwrap(),
        "../../../../../../etc/passwd",
        "a/../../x",
        "/dev/zero",
        "\\\\host\\share\\x",
        "C:\\x",
        "x\0y",
        "%2e%2e%2fx",
        "\u{2024}\u{2024}/x",
        "https://localhost/x",
        "file:///etc/passwd",
        "",
    ];
    for location in locations {
        let entry = |key: &str, value: &str| Proto::new().text(1, key).text(2, value);
        let weights = tensor("w", 1, &[1])
            .message(13, entry("location", location))
            .message(13, entry("offset", "18446744073709551615"))
            .message(13, entry("length", "99999999999999999999"))
            .message(13, entry(&"k".repeat(10_000), "v"))
            .int(14, 1);
        let raw = import(&with_initialiser(weights).0).unwrap();
        match only(&raw, "constant").attribute("value") {
            Some(RawValue::Constant { values, .. }) => assert_eq!(*values, None, "{location}"),
            other => panic!("{other:?}"),
        }
    }
}

// 4

#[test]
fn external_data_behind_sparse_tensors_is_never_opened() {
    let entry = Proto::new().text(1, "location").text(2, "/dev/zero");
    let values = tensor("w", 1, &[3]).message(13, entry.clone()).int(14, 1);
    let indices = tensor("i", 7, &[3]).message(13, entry).int(14, 1);
    let sparse = Proto::new()
        .message(1, values)
        .message(2, indices)
        .packed(3, &[1000, 1000]);
    let nodes = [node("Add", &["x", "w"], &["y"])];
    let initialiser = graph(&nodes, &["x"], &["y"]).message(15, sparse.clone());
    let raw = import(&model(initialiser).0).unwrap();
    assert_eq!(raw.parameters, Some(1_000_000));

    let attribute = Proto::new().text(1, "sparse_value").message(22, sparse);
    let constant = node("Constant", &[], &["w"]).message(5, attribute);
    let nodes = [constant, node("Add", &["x", "w"], &["y"])];
    let raw = import(&chain(&nodes).0).unwrap();
    assert_eq!(raw.parameters, Some(1_000_000));
}

// 7

#[test]
fn dims_that_promise_more_data_than_there_is_give_no_values() {
    for dims in [&[4, 4][..], &[1024], &[i64::MAX], &[2, i64::MAX, 2]] {
        let weights = tensor("w", 1, dims).bytes(9, &[0; 8]);
        let raw = import(&with_initialiser(weights).0).unwrap();
        match only(&raw, "constant").attribute("value") {
            Some(RawValue::Constant { values, .. }) => assert_eq!(*values, None),
            other => panic!("{other:?}"),
        }
    }
}

// 9

/// `depth` Ifs, one in the other.
fn nested(op: &str, depth: usize) -> Vec<u8> {
    // Lengths first, or copying the inner messages takes quadratic time.
    let mut heads: Vec<Vec<u8>> = vec![];
    let mut tails: Vec<Vec<u8>> = vec![];
    let leaf = graph(&[node("Relu", &["x"], &["y0"])], &[], &["y0"]).0;
    let mut inside = leaf.len();
    for level in 1..=depth {
        let tail_of_attribute = Proto::new().text(1, "then_branch").0;
        let attribute = Proto::new()
            .raw_varint(6 << 3 | 2)
            .raw_varint(inside as u64);
        let attribute_len = attribute.0.len() + inside + tail_of_attribute.len();
        let outer = Proto::new()
            .raw_varint(5 << 3 | 2)
            .raw_varint(attribute_len as u64);
        let tail_of_node = node(op, &["x"], &[&format!("y{level}")]).0;
        let node_len = outer.0.len() + attribute_len + tail_of_node.len();
        let node = Proto::new()
            .raw_varint(1 << 3 | 2)
            .raw_varint(node_len as u64);
        let output = Proto::new().text(1, &format!("y{level}"));
        let tail_of_graph = Proto::new().message(12, output).0;
        inside = node.0.len() + node_len + tail_of_graph.len();
        heads.push([node.0, outer.0, attribute.0].concat());
        tails.push([tail_of_attribute, tail_of_node, tail_of_graph].concat());
    }
    heads.reverse();
    let nested = [heads.concat(), leaf, tails.concat()].concat();
    assert_eq!(nested.len(), inside);
    let mut main = Proto(nested);
    main = main.message(11, Proto::new().text(1, "x"));
    model(main).0
}

#[test]
fn nested_bodies_are_inlined_up_to_the_limit_and_refused_beyond() {
    for op in ["If", "Scan", "Loop"] {
        let outcome = import(&nested(op, 5));
        assert!(
            !is_too_large(outcome, "nested graphs and functions"),
            "{op}"
        );
        for depth in [33, 1_000, 100_000] {
            let outcome = soon(|| import(&nested(op, depth)));
            assert!(is_too_large(outcome, "nested graphs and functions"), "{op}");
        }
    }
}

#[test]
fn the_deepest_nesting_that_is_read_fits_a_small_stack() {
    let bytes = nested("If", 60);
    let limits = Limits {
        depth: usize::MAX,
        ..Limits::default()
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let reader = small.spawn(move || {
        assert!(super::read(&bytes, &limits).is_ok());
        assert!(super::read(&nested("If", 70), &limits).is_err());
    });
    reader.unwrap().join().unwrap();
}

// 10

#[test]
fn bodies_in_both_branches_are_not_traversed_exponentially() {
    let mut inside = graph(&[node("Relu", &["x"], &["y"])], &[], &["y"]);
    for _ in 0..12 {
        let branches = [
            body("then_branch", inside.clone()),
            body("else_branch", inside),
        ];
        inside = graph(
            &[node("If", &["x"], &["y"]).messages(5, branches)],
            &[],
            &["y"],
        );
    }
    let main = inside.message(11, Proto::new().text(1, "x"));
    let raw = soon(|| import(&model(main).0)).unwrap();
    assert_eq!(ops(&raw), ["input", "Relu"]);
}

#[test]
fn a_large_body_that_is_not_taken_costs_nothing_per_call() {
    // It is scanned when it is read, not at each of the calls.
    let large: Vec<Proto> = (0..40_000).map(|_| node("Sink", &["x"], &[])).collect();
    let taken = graph(&[], &["turn", "more", "x"], &["more", "x"]);
    let looped = node("Loop", &["", "", "x"], &["y"])
        .message(5, body("body", taken))
        .message(5, body("unused", graph(&large, &[], &[])));
    let calls: Vec<Proto> = (0..20_000)
        .map(|i| call("F", &["x"], &[&format!("v{i}")]))
        .collect();
    let main = model(graph(&calls, &["x"], &["v0"]));
    let holding = function("F", &["x"], &["y"], &[looped]);
    assert!(soon(|| import(&main.message(25, holding).0)).is_ok());
}

// 11

#[test]
fn recursive_functions_are_refused() {
    let main = || chain(&[call("A", &["x"], &["y"])]);
    let calling =
        |name: &str, callee: &str| function(name, &["a"], &["b"], &[call(callee, &["a"], &["b"])]);
    let directly = main().message(25, calling("A", "A"));
    let mutually = main().messages(25, [calling("A", "B"), calling("B", "A")]);
    let inner = graph(&[call("A", &["a"], &["b"])], &[], &["b"]);
    let through = node("If", &["a"], &["b"]).message(5, body("then_branch", inner));
    let nested = main().message(25, function("A", &["a"], &["b"], &[through]));
    for recursive in [directly, mutually, nested] {
        assert!(matches!(import(&recursive.0), Err(Error::Recursion(_))));
    }
}

#[test]
fn a_long_chain_of_functions_is_refused_by_depth() {
    let functions = (0..1000).map(|i| {
        let inner = call(&format!("F{}", i + 1), &["a"], &["b"]);
        function(&format!("F{i}"), &["a"], &["b"], &[inner])
    });
    let bytes = chain(&[call("F0", &["x"], &["y"])])
        .messages(25, functions)
        .0;
    assert!(is_too_large(import(&bytes), "nested graphs and functions"));
}

// 12

/// Functions that each call the next twice, `levels` deep.
fn doubling(levels: usize, leaf: &[Proto]) -> Vec<u8> {
    let calls = (0..levels).map(|level| {
        let next = format!("F{}", level + 1);
        let twice = [call(&next, &["a"], &["m"]), call(&next, &["m"], &["b"])];
        function(&format!("F{level}"), &["a"], &["b"], &twice)
    });
    let leaf = function(&format!("F{levels}"), &["a"], &["b"], leaf);
    let main = chain(&[call("F0", &["x"], &["y"])]);
    main.messages(25, calls).message(25, leaf).0
}

#[test]
fn doubling_calls_run_out_of_budget() {
    let relu = [node("Relu", &["a"], &["b"])];
    assert_eq!(import(&doubling(4, &relu)).unwrap().nodes.len(), 17);
    assert!(is_too_large(soon(|| import(&doubling(30, &relu))), "nodes"));
}

#[test]
fn doubling_calls_of_an_empty_function_run_out_of_budget() {
    assert!(is_too_large(soon(|| import(&doubling(30, &[]))), "nodes"));
}

#[test]
fn repeated_calls_with_large_attributes_run_out_of_memory_budget() {
    let list = Proto::new().text(1, "list").packed(8, &vec![1; 65_000]);
    let inner = node("Odd", &["a"], &["b"]).message(5, list);
    let outcome = soon(|| import(&doubling(16, &[inner])));
    assert!(is_too_large(outcome, "bytes of graph"));
    let long = "n".repeat(4_000);
    let inner = node(&long, &["a"], &["b"]).text(7, &long);
    let outcome = soon(|| import(&doubling(16, &[inner])));
    assert!(is_too_large(outcome, "bytes of graph"));
}

#[test]
fn repeated_calls_of_functions_with_many_operands_run_out_of_budget() {
    let names: Vec<String> = (0..4_000).map(|i| format!("i{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide = function("W", &names, &names[..1], &[]);
    let calls: Vec<Proto> = (0..30_000)
        .map(|i| call("W", &["x"], &[&format!("v{i}")]))
        .collect();
    let bytes = model(graph(&calls, &["x"], &["v0"])).message(25, wide).0;
    assert!(is_too_large(soon(|| import(&bytes)), "bytes of graph"));
}

// 13

#[test]
fn cycles_are_refused() {
    let two = [node("Relu", &["b"], &["y"]), node("Relu", &["y"], &["b"])];
    let one = [node("Relu", &["y"], &["y"])];
    let inner = graph(&[node("Add", &["x", "y"], &["i"])], &[], &["i"]);
    let through = [node("If", &["x"], &["y"]).message(5, body("then_branch", inner))];
    for nodes in [&two[..], &one, &through] {
        assert!(matches!(import(&chain(nodes).0), Err(Error::Cycle(_))));
    }
}

#[test]
fn unsorted_nodes_are_sorted() {
    let nodes = [
        node("Exp", &["b"], &["y"]),
        node("Tanh", &["a"], &["b"]),
        node("Relu", &["x"], &["a"]),
    ];
    let raw = import(&chain(&nodes).0).unwrap();
    assert_eq!(ops(&raw), ["input", "Relu", "Tanh", "Exp"]);
}

#[test]
fn values_computed_twice_are_refused() {
    let twice = [node("Relu", &["x"], &["y"]), node("Tanh", &["x"], &["y"])];
    let one = [node("Split", &["x"], &["y", "y"])];
    let input = [node("Relu", &["x"], &["x"]), node("Relu", &["x"], &["y"])];
    for nodes in [&twice[..], &one] {
        assert!(matches!(import(&chain(nodes).0), Err(Error::Duplicate(_))));
    }
    assert!(import(&chain(&input).0).is_err());
    let weights = [tensor("w", 1, &[1]), tensor("w", 1, &[2])];
    let graph = graph(&[node("Add", &["x", "w"], &["y"])], &["x"], &["y"]).messages(5, weights);
    assert!(matches!(import(&model(graph).0), Err(Error::Duplicate(_))));
}

#[test]
fn values_that_nothing_computes_are_named() {
    let missing = import(&chain(&[node("Relu", &["ghost"], &["y"]).text(3, "act")]).0);
    let message = missing.unwrap_err().to_string();
    assert!(
        message.contains("act (Relu)") && message.contains("ghost"),
        "{message}"
    );
    let output = import(&model(graph(&[node("Relu", &["x"], &["a"])], &["x"], &["y"])).0);
    assert_eq!(output, Err(Error::MissingOutput("y".into())));
}

#[test]
fn a_model_without_nodes_is_refused() {
    let empty = [
        vec![],
        model(graph(&[], &["x"], &["x"])).0,
        model(Proto::new()).0,
        Proto::new().int(1, 8).0,
    ];
    for bytes in empty {
        assert_eq!(import(&bytes), Err(Error::NoGraph));
    }
}

// 15

/// A small model with every message the reader knows.
fn varied() -> Vec<u8> {
    let inner = graph(&[node("Tanh", &["a"], &["b"])], &[], &["b"]);
    let branch = node("If", &["x"], &["b"]).message(5, body("then_branch", inner));
    let reference = Proto::new().text(1, "alpha").text(21, "slope").int(20, 1);
    let act = node("LeakyRelu", &["p"], &["q"]).message(5, reference);
    let default = Proto::new().text(1, "slope").float(2, 0.5);
    let act = function("Act", &["p"], &["q"], &[act]).message(11, default);
    let kernel = Proto::new().text(1, "kernel_shape").packed(8, &[3, 3]);
    let nodes = [
        node("Conv", &["x", "w"], &["a"]).message(5, kernel),
        branch,
        call("Act", &["b"], &["y"]),
    ];
    let weights = tensor("w", 1, &[4, 3, 3, 3]).bytes(9, &[1; 432]);
    let graph = graph(&nodes, &["x"], &["y"]).message(5, weights);
    model(graph).text(2, "test").message(25, act).0
}

#[test]
fn a_file_cut_anywhere_is_damaged_or_shorter_but_never_a_panic() {
    let bytes = varied();
    assert!(import(&bytes).is_ok());
    for len in 0..bytes.len() {
        let _ = import(&bytes[..len]);
    }
    assert!(is_damaged(import(&bytes[..bytes.len() - 1])));
}

#[test]
fn a_file_with_any_byte_changed_never_panics() {
    let bytes = varied();
    for at in 0..bytes.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            let _ = import(&bytes);
        }
    }
}

#[test]
fn integers_of_ten_bytes_are_read_and_longer_ones_refused() {
    let ten = [&[0xff; 9][..], &[1]].concat();
    let with =
        |varint: &[u8]| [&[8][..], varint, &chain(&[node("Relu", &["x"], &["y"])]).0].concat();
    assert!(import(&with(&ten)).is_ok());
    assert!(is_damaged(import(&with(&[0xff; 11]))));
    assert!(is_damaged(import(&[0xff; 10])));
}

#[test]
fn lengths_beyond_the_body_are_damage() {
    for len in [4u64, 1 << 31, 1 << 32, u64::MAX >> 1, u64::MAX] {
        for number in [7, 8, 25, 99] {
            let lying = Proto::new().raw_varint(number << 3 | 2).raw_varint(len);
            assert!(is_damaged(import(&lying.0)), "{number} {len}");
        }
        // A node longer than its graph, with bytes to spare after the graph.
        let node = Proto::new().raw_varint(1 << 3 | 2).raw_varint(len);
        let bytes = Proto::new().message(7, node).bytes(6, &[0; 64]);
        assert!(is_damaged(import(&bytes.0)), "{len}");
    }
}

#[test]
fn fields_of_another_wire_type_are_skipped() {
    let nodes = [node("Relu", &["x"], &["y"]).int(1, 7).float(4, 1.0)];
    let graph = graph(&nodes, &["x"], &["y"])
        .int(1, 3)
        .float(5, 0.0)
        .int(12, 1);
    let bytes = model(graph).int(7, 5).float(25, 0.0).0;
    assert_eq!(ops(&import(&bytes).unwrap()), ["input", "Relu"]);
}

#[test]
fn groups_and_unknown_wire_types_are_refused_without_recursion() {
    for tag in [0x0b, 0x0c, 0x0e, 0x0f, 0x3b] {
        assert!(is_damaged(import(&vec![tag; 200_000])));
    }
    assert!(is_damaged(import(&[0, 0])));
}

#[test]
fn deep_messages_that_nobody_reads_are_skipped() {
    // A chain of length-delimited fields inside an unknown field is never entered.
    let unknown = Proto::new().bytes(99, &[0x0a; 100_000]);
    let bytes = [unknown.0, chain(&[node("Relu", &["x"], &["y"])]).0].concat();
    assert!(import(&bytes).is_ok());
}

#[test]
fn empty_messages_are_charged_for_what_they_become() {
    let limits = Limits {
        memory_bytes: 16 << 20,
        nodes: usize::MAX,
        operands: usize::MAX,
        attributes: usize::MAX,
        ..Limits::default()
    };
    let flood = |tag: u8| [tag, 0].repeat(2_000_000);
    for tag in [1, 5, 11, 12, 15] {
        let bytes = Proto::new().bytes(7, &flood(tag << 3 | 2)).0;
        let outcome = soon(|| import_within(&bytes, &limits));
        assert!(is_too_large(outcome, "bytes of graph"), "graph field {tag}");
    }
    for tag in [1, 2, 5] {
        let bytes = Proto::new().message(7, Proto::new().bytes(1, &flood(tag << 3 | 2)));
        let outcome = soon(|| import_within(&bytes.0, &limits));
        assert!(
            matches!(outcome, Err(Error::TooLarge { .. })),
            "node field {tag}"
        );
    }
    for tag in [6, 9, 11] {
        let attribute = Proto::new().bytes(5, &flood(tag << 3 | 2));
        let bytes = Proto::new().message(7, Proto::new().message(1, attribute));
        let outcome = soon(|| import_within(&bytes.0, &limits));
        let list = Limits::default().list;
        assert!(
            matches!(outcome, Err(Error::TooLarge { limit, .. }) if limit == list || limit == 16 << 20),
            "attribute field {tag}"
        );
    }
    let functions = [0xca, 1, 0].repeat(2_000_000);
    let outcome = soon(|| import_within(&functions, &limits));
    assert!(is_too_large(outcome, "bytes of graph"));
}

#[test]
fn floods_within_the_default_limits_are_refused_by_count() {
    let nodes = Proto::new().bytes(7, &[0x0a, 0].repeat(1_000_000));
    assert!(is_too_large(soon(|| import(&nodes.0)), "nodes"));
}

#[test]
fn a_million_attributes_are_refused() {
    let attributes = [0x2a, 0].repeat(1_000_000);
    let flooded = Proto([node("Relu", &["x"], &["y"]).0, attributes].concat());
    let outcome = soon(|| import(&chain(&[flooded]).0));
    assert!(is_too_large(outcome, "attributes on one node"));
}

#[test]
fn a_repeated_producer_is_no_quadratic_work() {
    let name = Proto::new().text(2, &"p".repeat(4_000)).0;
    let bytes = [
        name.repeat(10_000),
        chain(&[node("Relu", &["x"], &["y"])]).0,
    ]
    .concat();
    let raw = soon(|| import(&bytes)).unwrap();
    assert_eq!(raw.producer.map(|name| name.len()), Some(4_000));
}

#[test]
fn packed_integers_are_refused_by_count() {
    let flood = vec![1u8; 5_000_000];
    let list = Proto::new().text(1, "pads").bytes(8, &flood);
    let outcome = import(&chain(&[node("Pad", &["x"], &["y"]).message(5, list)]).0);
    assert!(is_too_large(outcome, "elements in one list"));
    let floats = Proto::new().text(1, "f").bytes(7, &flood);
    let outcome = import(&chain(&[node("Odd", &["x"], &["y"]).message(5, floats)]).0);
    assert!(is_too_large(outcome, "elements in one list"));
    let outcome = import(&with_initialiser(Proto::new().text(8, "w").bytes(1, &flood)).0);
    assert!(is_too_large(outcome, "dimensions in one shape"));
    let outcome = import(&with_initialiser(tensor("w", 7, &[2]).bytes(7, &flood)).0);
    assert!(outcome.is_ok());
}

#[test]
fn long_names_are_refused_and_long_texts_are_not_kept() {
    let long = "n".repeat(1_000_000);
    let named = [
        node(&long, &["x"], &["y"]),
        node("Relu", &["x"], &["y"]).text(3, &long),
        node("Relu", &["x", &long], &["y"]),
        node("Relu", &["x"], &["y"]).message(5, Proto::new().text(1, &long)),
    ];
    for node in named {
        assert!(is_too_large(import(&chain(&[node]).0), "bytes in one name"));
    }
    let text = Proto::new().text(1, "text").text(4, &long);
    let raw = import(&chain(&[node("Odd", &["x"], &["y"]).message(5, text)]).0).unwrap();
    let kept = only(&raw, "Odd").attribute("text");
    assert_eq!(kept, Some(&RawValue::Other("long text".into())));
    assert!(import(&chain(&[node("Relu", &["x"], &["y"]).text(6, &long)]).0).is_ok());
}

#[test]
fn names_that_are_no_utf8_are_damage() {
    for number in [1, 2, 3, 4, 7] {
        let node = node("Relu", &["x"], &["y"]).bytes(number, b"\xff\xfe");
        assert!(is_damaged(import(&chain(&[node]).0)), "{number}");
    }
}

// 16

#[test]
fn extreme_attributes_never_panic() {
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0];
    let ints = [i64::MIN, i64::MAX, -1, 0, 1 << 32];
    let ops = [
        (
            "Conv",
            &["kernel_shape", "strides", "pads", "dilations", "group"][..],
        ),
        ("ConvTranspose", &["strides", "output_padding", "group"]),
        ("MaxPool", &["kernel_shape", "strides", "pads"]),
        ("Gemm", &["alpha", "beta", "transA", "transB"]),
        ("Softmax", &["axis"]),
        ("Concat", &["axis"]),
        ("Split", &["axis", "split", "num_outputs"]),
        ("Transpose", &["perm"]),
        ("Flatten", &["axis"]),
        ("Reshape", &["shape", "allowzero"]),
        ("Slice", &["starts", "ends", "axes", "steps"]),
        ("Squeeze", &["axes"]),
        ("Unsqueeze", &["axes"]),
        ("Pad", &["pads", "value"]),
        ("ReduceMean", &["axes", "keepdims"]),
        ("LayerNormalization", &["axis", "epsilon"]),
        ("InstanceNormalization", &["epsilon"]),
        ("LSTM", &["hidden_size", "direction", "layout"]),
        ("GRU", &["hidden_size", "linear_before_reset"]),
        ("LeakyRelu", &["alpha"]),
        ("HardSigmoid", &["alpha", "beta"]),
        ("Clip", &["min", "max"]),
        ("DepthToSpace", &["blocksize"]),
        ("SpaceToDepth", &["blocksize"]),
        ("Upsample", &["scales"]),
        ("Resize", &["scales"]),
        ("LRN", &["size", "alpha"]),
        ("Gather", &["axis"]),
        ("TopK", &["axis", "k"]),
        ("Einsum", &["equation"]),
        ("Cast", &["to"]),
        ("GroupNormalization", &["num_groups"]),
        ("ConstantOfShape", &["value"]),
        ("QLinearConv", &["group"]),
    ];
    let value_info = |dims: &[i64]| {
        let dims = dims.iter().map(|dim| Proto::new().int(1, *dim));
        let shape = Proto::new().messages(1, dims);
        let kind = Proto::new().message(1, Proto::new().int(1, 1).message(2, shape));
        Proto::new().text(1, "x").message(2, kind)
    };
    let build = |op: &str, dims: &[i64], attributes: Vec<Proto>| {
        let nodes = [
            node(op, &["x", "w", "w", "w"], &["m", "n"]).messages(5, attributes),
            node("Relu", &["m"], &["y"]),
        ];
        let graph = graph(&nodes, &[], &["y"])
            .message(11, value_info(dims))
            .message(5, tensor("w", 1, &[3, 0, i64::MIN, 2]));
        model(graph).0
    };
    for (op, names) in ops {
        for dims in [&[1, 3, 8, 8][..], &[0, 0], &[-1, 3], &[i64::MAX; 4], &[]] {
            for int in ints {
                let of = |name: &&str| Proto::new().text(1, name).int(3, int);
                import(&build(op, dims, names.iter().map(of).collect())).unwrap();
                let list = |name: &&str| Proto::new().text(1, name).packed(8, &[int; 4]);
                import(&build(op, dims, names.iter().map(list).collect())).unwrap();
            }
            for float in floats {
                let of = |name: &&str| Proto::new().text(1, name).float(2, float);
                import(&build(op, dims, names.iter().map(of).collect())).unwrap();
            }
            let text = |name: &&str| Proto::new().text(1, name).text(4, "...ij,->\u{0}");
            import(&build(op, dims, names.iter().map(text).collect())).unwrap();
        }
    }
}

#[test]
fn hostile_shape_arithmetic_never_panics() {
    let values = |dims: &[i64]| {
        let packed = dims.iter().flat_map(|dim| dim.to_le_bytes());
        tensor("s", 7, &[dims.len() as i64]).bytes(9, &packed.collect::<Vec<u8>>())
    };
    let cases = [
        &[i64::MIN, i64::MAX][..],
        &[-1, -1, -1],
        &[0, 0],
        &[1 << 40, 1 << 40],
        &[],
    ];
    for op in [
        "Reshape", "Expand", "Tile", "Resize", "Pad", "Slice", "Squeeze", "Split", "TopK",
    ] {
        for case in cases {
            let nodes = [
                node("Shape", &["x"], &["d"]),
                node("Gather", &["d", "s"], &["g"]),
                node("Mul", &["s", "s"], &["q"]),
                node("Concat", &["g", "q"], &["r"]),
                node(op, &["x", "s", "q", "r"], &["y"]),
            ];
            let graph = graph(&nodes, &["x"], &["y"]).message(5, values(case));
            import(&model(graph).0).unwrap();
        }
    }
}

#[test]
fn symbolic_negative_and_overflowing_dims_are_unknown() {
    let dims = [
        Proto::new().text(2, "batch"),
        Proto::new().int(1, -3),
        Proto::new().int(1, 0),
        Proto::new().int(1, i64::MAX),
    ];
    let shape = Proto::new().messages(1, dims);
    let kind = Proto::new().message(1, Proto::new().message(2, shape));
    let input = Proto::new().text(1, "x").message(2, kind);
    let nodes = [node("Relu", &["x"], &["y"])];
    let raw = import(&model(graph(&nodes, &[], &["y"]).message(11, input)).0).unwrap();
    let shape = raw.nodes[0].shapes[0].clone().unwrap();
    assert_eq!(shape.0, [None, None, None, Some(i64::MAX as u64)]);
    let many = Proto::new().bytes(1, &[]).0.repeat(17);
    let kind = Proto::new().message(1, Proto::new().bytes(2, &many));
    let input = Proto::new().text(1, "x").message(2, kind);
    let outcome = import(&model(graph(&nodes, &[], &["y"]).message(11, input)).0);
    assert!(is_too_large(outcome, "dimensions in one shape"));
}

#[test]
fn parameters_saturate() {
    let huge = |name: &str| tensor(name, 1, &[i64::MAX, 2]);
    let nodes = [node("Sum", &["x", "w", "v"], &["y"])];
    let graph = graph(&nodes, &["x"], &["y"]).messages(5, [huge("w"), huge("v"), huge("u")]);
    assert_eq!(import(&model(graph).0).unwrap().parameters, Some(u64::MAX));
}

// What files in the wild do.

#[test]
fn parameters_that_are_inputs_too_are_constants() {
    let weights = tensor("w", 1, &[8]);
    let graph = graph(&[node("Add", &["x", "w"], &["y"])], &["x", "w"], &["y"]);
    let raw = import(&model(graph.message(5, weights)).0).unwrap();
    assert_eq!(ops(&raw), ["constant", "input", "Add"]);
}

#[test]
fn an_opset_imported_twice_is_read() {
    let twice = Proto::new().int(2, 13);
    let bytes = chain(&[node("Relu", &["x"], &["y"])]).messages(8, [twice.clone(), twice]);
    assert!(import(&bytes.0).is_ok());
}

#[test]
fn weights_from_constant_of_shape_are_read() {
    let shape = tensor("s", 7, &[2]).packed(7, &[64, 64]);
    let fill = Proto::new()
        .text(1, "value")
        .message(5, tensor("", 1, &[1]).float(4, 0.5));
    let nodes = [
        node("ConstantOfShape", &["s"], &["w"]).message(5, fill),
        node("MatMul", &["x", "w"], &["y"]),
    ];
    let graph = graph(&nodes, &["x"], &["y"]).message(5, shape);
    let raw = import(&model(graph).0).unwrap();
    assert_eq!(
        ops(&raw),
        ["constant", "input", "ConstantOfShape", "MatMul"]
    );
}

#[test]
fn a_net_inside_an_if_is_taken_as_the_net() {
    let net: Vec<Proto> = (0..10)
        .map(|i| node("Relu", &[&format!("v{i}")], &[&format!("v{}", i + 1)]))
        .collect();
    let branches = [
        body(
            "else_branch",
            graph(&[node("Neg", &["v0"], &["n"])], &[], &["n"]),
        ),
        body("then_branch", graph(&net, &[], &["v10"])),
    ];
    let main = graph(
        &[node("If", &["c"], &["y"]).messages(5, branches)],
        &["v0", "c"],
        &["y"],
    );
    let raw = import(&model(main).0).unwrap();
    assert_eq!(ops(&raw).iter().filter(|op| **op == "Relu").count(), 10);
}
