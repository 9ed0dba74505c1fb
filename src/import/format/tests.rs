use super::*;

/// Both ways of reading, which must agree.
fn import(bytes: &[u8]) -> Result<(Format, RawGraph), String> {
    let limits = Limits::default();
    let whole = read(bytes, &limits).map_err(|error| error.to_string());
    let streamed = read_from(bytes, &limits).map_err(|error| error.to_string());
    assert_eq!(whole.is_ok(), streamed.is_ok());
    whole
}

fn refusal(bytes: &[u8]) -> String {
    import(bytes).unwrap_err()
}

const RELU: &str = r#"{"format":"netkin-graph","version":1,"dialect":"onnx",
    "nodes":[{"op":"input"},{"op":"Relu","inputs":[0]}],"outputs":[1]}"#;

#[test]
fn pickles_are_refused_whatever_their_protocol() {
    for protocol in 0..=5 {
        let message = refusal(&[&[0x80, protocol][..], b"\x95\x00\x00cos\nsystem\n"].concat());
        assert!(message.contains("pickles can run code"), "{message}");
    }
    // Protocol 0 has no mark: it is text.
    let message = refusal(b"cos\nsystem\n(S'true'\ntR.");
    assert!(message.contains("no ONNX model and no netkin graph"));
}

#[test]
fn archives_are_refused_unopened() {
    // Traversal, duplicate names, encryption, zip64 and bombs all lie behind one of these marks.
    for magic in [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"] {
        let message = refusal(&[magic, b"\x14\0\0\0../../x"].concat());
        assert!(message.contains("zip archive"), "{message}");
    }
    for (magic, name) in [
        (&b"\x1f\x8b\x08\0"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
    ] {
        assert!(refusal(magic).contains(name));
    }
}

#[test]
fn files_of_weights_are_refused_whatever_their_header_says() {
    for len in [2u64, 100, 1 << 32, (1 << 40) - 1] {
        let bytes = [&len.to_le_bytes()[..], br#"{"a":{"data_offsets":[0,9]}}"#].concat();
        assert!(refusal(&bytes).contains("safetensors"), "{len}");
    }
    // Lengths that no file can have are no safetensors, and nothing else either.
    for len in [1u64 << 40, 1 << 63, u64::MAX] {
        refusal(&[&len.to_le_bytes()[..], b"{\"a\":{}}"].concat());
    }
    for (magic, name) in [
        (&b"\x89HDF\r\n\x1a\n"[..], "HDF5"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x93NUMPY\x01\0", "NumPy"),
    ] {
        assert!(refusal(magic).contains(name));
    }
}

#[test]
fn other_files_are_said_to_be_neither() {
    let others: [&[u8]; 14] = [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        b"2 or more lines of text,\nas anyone writes them",
        b":B\"rst",
        b"# README\n\nSee below.",
        b"[1, 2, 3]",
        b"\xef\xbb\xbf<xml/>",
        "ein längerer Text, mit Umlauten".as_bytes(),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"%PDF-1.7\n%\xe2\xe3",
        b"\x7fELF\x02\x01\x01\0",
        b"\x1c\0\0\0TFL3\0\0",
        &[0; 1000],
    ];
    for other in others {
        let message = refusal(other);
        let start = "the input is no ONNX model and no netkin graph";
        assert!(message.starts_with(start), "{message}");
        assert!(!message.contains("damaged at byte"), "{message}");
    }
    let long = "é".repeat(10_000);
    assert!(refusal(&long.as_bytes()[..1001]).contains("some other text"));
    assert!(refusal(format!("x{long}").as_bytes()).contains("some other text"));
}

#[test]
fn nothing_is_refused_as_nothing() {
    for nothing in [&b""[..], b" \n"] {
        assert!(refusal(nothing).contains("empty"));
    }
}

#[test]
fn both_formats_are_told_by_content() {
    assert_eq!(import(RELU.as_bytes()).unwrap().0, Format::NetkinGraph);
    let spaced = format!("\n\t {RELU}");
    assert_eq!(import(spaced.as_bytes()).unwrap().0, Format::NetkinGraph);
    // ir_version, then a graph of one Relu.
    let node = b"\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x5a\x03\x0a\x01x\x62\x03\x0a\x01y";
    let model = [&[8, 8, 0x3a, node.len() as u8][..], node].concat();
    let (format, raw) = import(&model).unwrap();
    assert_eq!(format, Format::Onnx);
    assert_eq!(raw.nodes.len(), 2);
}

#[test]
fn deep_json_is_refused_without_recursion() {
    for depth in [33, 1_000, 100_000, 1_000_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let document = RELU.replace(r#""dialect""#, &format!(r#""x":{deep},"dialect""#));
            let small = std::thread::Builder::new().stack_size(512 << 10);
            let reader = small.spawn(move || refusal(document.as_bytes())).unwrap();
            assert!(!reader.join().unwrap().is_empty());
        }
    }
}

#[test]
fn repeated_keys_are_refused() {
    let twice = RELU.replace(r#""version":1"#, r#""version":1,"version":2"#);
    assert!(import(twice.as_bytes()).is_err());
}

#[test]
fn odd_numbers_and_keys_in_json_never_panic() {
    for value in [
        "1e308",
        "-1e308",
        "1e309",
        "1e999999999",
        "-0",
        "9223372036854775808",
        "0.1e-400",
        "\"\\ud800\"",
        "NaN",
        "Infinity",
        "1.",
        "01",
        "{\"__proto__\":{\"polluted\":true}}",
        "{\"constructor\":1}",
        "{\"\":1}",
        "{\"\\u0000\":1}",
    ] {
        let attributes = format!(r#""op":"Relu","attributes":{{"a":{value}}}"#);
        let document = RELU.replace(r#""op":"Relu""#, &attributes);
        if let Ok((_, raw)) = import(document.as_bytes()) {
            let _ = crate::import::canonical::canonicalise(&raw, &Limits::default());
        }
    }
}

#[test]
fn json_beyond_the_memory_limit_is_not_read_to_its_end() {
    let limits = Limits {
        memory_bytes: 1 << 16,
        ..Limits::default()
    };
    let endless = (&b"{"[..]).chain(std::io::repeat(b' '));
    let error = read_from(endless, &limits).unwrap_err();
    assert!(error.to_string().contains("65536"), "{error}");
}
