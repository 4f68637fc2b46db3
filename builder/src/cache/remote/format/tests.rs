use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn digest() -> impl Strategy<Value = Digest> {
    // Few, so that keys and layers meet.
    (0_u8..40).prop_map(|number| Digest::sha256(&[number]))
}

fn layer() -> impl Strategy<Value = LayerRecord> {
    (digest(), 0..3_usize).prop_map(|(digest, kind)| {
        let kinds = [
            MediaType::OCI_LAYER,
            MediaType::OCI_LAYER_GZIP,
            MediaType::OCI_LAYER_ZSTD,
        ];
        // As in truth, the digest says everything of the blob.
        let size = u64::from(digest.hex().as_bytes()[0]) + kind as u64;
        LayerRecord {
            descriptor: Descriptor::new(kinds[size as usize % 3].clone(), digest, size),
            diff_id: Digest::sha256(digest.hex().as_bytes()),
        }
    })
}

fn warning() -> impl Strategy<Value = Warning> {
    ("[^\\p{Cc}]{0,40}", "[^\\p{Cc}]{0,40}").prop_map(|(message, hint)| Warning { message, hint })
}

fn entry() -> impl Strategy<Value = Entry> {
    let layer = proptest::option::of(layer());
    (btree_set(digest(), 1..4), layer, vec(warning(), 0..3)).prop_map(|(keys, layer, warnings)| {
        Entry {
            keys,
            record: Record {
                layer,
                warnings,
                keys: Vec::new(),
            },
        }
    })
}

/// Entries whose keys are their own.
fn distinct() -> impl Strategy<Value = Vec<Entry>> {
    vec(entry(), 0..20).prop_map(|mut entries| {
        let mut seen = BTreeSet::new();
        for entry in &mut entries {
            entry.keys.retain(|key| seen.insert(*key));
        }
        entries.retain(|entry| !entry.keys.is_empty());
        // One blob has one size and one type.
        let mut layers = BTreeMap::new();
        for entry in &mut entries {
            if let Some(layer) = &mut entry.record.layer {
                let first = layers
                    .entry(layer.descriptor.digest)
                    .or_insert_with(|| layer.clone());
                *layer = first.clone();
            }
        }
        entries
    })
}

fn records(entries: &[Entry]) -> BTreeMap<Digest, Arc<Record>> {
    let pairs = entries.iter().flat_map(|entry| {
        let record = Arc::new(Record {
            keys: entry.keys.iter().copied().collect(),
            ..entry.record.clone()
        });
        entry
            .keys
            .iter()
            .map(move |key| (*key, Arc::clone(&record)))
    });
    pairs.collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in distinct()) {
        let written = write(&entries, None).expect("a manifest");
        prop_assert_eq!(written.steps, entries.len());
        let read = read(&written.manifest, &written.config).expect("readable");
        prop_assert_eq!(read, records(&entries));
    }

    #[test]
    fn the_order_of_steps_does_not_count(entries in distinct(), seed in any::<u64>()) {
        let mut others = entries.clone();
        others.sort_by_key(|entry| {
            let key = entry.keys.iter().next().map(Digest::hex).unwrap_or_default();
            Digest::sha256(format!("{seed}{key}").as_bytes())
        });
        let (one, other) = (write(&entries, None), write(&others, None));
        let (one, other) = (one.expect("a manifest"), other.expect("a manifest"));
        prop_assert_eq!(one.manifest.bytes(), other.manifest.bytes());
        prop_assert_eq!(one.config, other.config);
    }

    #[test]
    fn nothing_that_is_read_panics(bytes in vec(any::<u8>(), 0..200), entries in distinct()) {
        let written = write(&entries, None).expect("a manifest");
        let _ = read(&written.manifest, &bytes);
    }

    #[test]
    fn what_is_damaged_is_refused_or_says_what_it_said_elsewhere(
        entries in distinct(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let written = write(&entries, None).expect("a manifest");
        let mut config = written.config.to_vec();
        let place = place.index(config.len());
        config[place] = byte;
        // Whether it is believed is for the digest to say; here nothing fails.
        let _ = read(&written.manifest, &config);
    }
}

fn with_layer(number: u32, media_type: MediaType, size: u64) -> Entry {
    let digest = Digest::sha256(&number.to_le_bytes());
    Entry {
        keys: BTreeSet::from([digest]),
        record: Record {
            layer: Some(LayerRecord {
                descriptor: Descriptor::new(media_type, digest, size),
                diff_id: digest,
            }),
            warnings: Vec::new(),
            keys: Vec::new(),
        },
    }
}

#[test]
fn the_bytes_of_a_cache_are_these() {
    let entry = Entry {
        record: Record {
            warnings: vec![Warning {
                message: "a message".to_owned(),
                hint: "a hint".to_owned(),
            }],
            ..with_layer(1, MediaType::DOCKER_LAYER_GZIP, 7).record
        },
        ..with_layer(1, MediaType::DOCKER_LAYER_GZIP, 7)
    };
    let written = write(&[entry], None).expect("a manifest");
    let layer = Digest::sha256(&1_u32.to_le_bytes());
    assert_eq!(
        String::from_utf8_lossy(&written.config),
        format!(
            concat!(
                r#"{{"version":1,"steps":[{{"keys":["{layer}"],"layer":0,"diffId":"{layer}","#,
                r#""warnings":[{{"message":"a message","hint":"a hint"}}]}}]}}"#
            ),
            layer = layer
        )
    );
    assert_eq!(
        String::from_utf8_lossy(written.manifest.bytes()),
        format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""artifactType":"application/vnd.wharf.cache.v1","#,
                r#""config":{{"mediaType":"application/vnd.wharf.cache.config.v1+json","digest":"{config}","size":{size}}},"#,
                r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{layer}","size":7}}]}}"#,
            ),
            config = Digest::sha256(&written.config),
            size = written.config.len(),
            layer = layer
        )
    );
}

#[test]
fn a_cache_without_layers_has_one_for_registries() {
    let entry = Entry {
        keys: BTreeSet::from([Digest::sha256(b"key")]),
        record: Record::default(),
    };
    let written = write(std::slice::from_ref(&entry), None).expect("a manifest");
    assert_eq!(
        written.manifest.layers(),
        [Descriptor::new(
            MediaType::OCI_EMPTY,
            Digest::sha256(EMPTY),
            2
        )]
    );
    let read = read(&written.manifest, &written.config).expect("readable");
    assert_eq!(read, records(&[entry]));
}

#[test]
fn a_subject_is_named_and_nothing_else_of_it() {
    let mut subject = Descriptor::new(MediaType::OCI_MANIFEST, Digest::sha256(b"image"), 5);
    let bare = subject.clone();
    subject
        .annotations
        .insert("secret".to_owned(), "yes".to_owned());
    let written = write(&[], Some(&subject)).expect("a manifest");
    assert_eq!(written.manifest.subject(), Some(&bare));
}

#[test]
fn there_is_room_for_so_much_and_the_first_has_it() {
    let many: Vec<Entry> = (0..5000)
        .map(|number| with_layer(number, MediaType::OCI_LAYER_GZIP, 1))
        .collect();
    let written = write(&many, None).expect("a manifest");
    assert_eq!(
        (written.steps, written.left_out),
        (LAYERS_LIMIT, 5000 - LAYERS_LIMIT)
    );
    assert!(written.manifest.bytes().len() < 1024 * 1024);
    let read = read(&written.manifest, &written.config).expect("readable");
    assert!(read.contains_key(&Digest::sha256(&0_u32.to_le_bytes())));
    assert!(!read.contains_key(&Digest::sha256(&4999_u32.to_le_bytes())));
}

#[test]
fn a_config_is_as_large_as_it_may_be() {
    let text = "w".repeat(TEXT_LIMIT);
    let warning = Warning {
        message: text.clone(),
        hint: text,
    };
    let wordy: Vec<Entry> = (0..100_u32)
        .map(|number| Entry {
            keys: BTreeSet::from([Digest::sha256(&number.to_le_bytes())]),
            record: Record {
                layer: None,
                warnings: vec![warning.clone(); 2 * WARNINGS_LIMIT],
                keys: Vec::new(),
            },
        })
        .collect();
    let written = write(&wordy, None).expect("a manifest");
    assert!(
        written.config.len() <= CONFIG_LIMIT,
        "{}",
        written.config.len()
    );
    assert!(written.config.len() > CONFIG_LIMIT - 80 * 1024);
    assert!(
        written.steps > 50 && written.steps < 100,
        "{}",
        written.steps
    );
    let read = read(&written.manifest, &written.config).expect("readable");
    assert_eq!(read.len(), written.steps);
    assert!(
        read.values()
            .all(|record| record.warnings.len() == WARNINGS_LIMIT)
    );
}

#[test]
fn a_step_is_held_once_for_all_its_keys() {
    let keys = (0..KEYS_LIMIT as u8).map(|number| Digest::sha256(&[number]));
    let entry = Entry {
        keys: keys.collect(),
        record: Record::default(),
    };
    let written = write(&[entry], None).expect("a manifest");
    let read = read(&written.manifest, &written.config).expect("readable");
    assert_eq!(read.len(), KEYS_LIMIT);
    let first = read.values().next().expect("one");
    assert!(read.values().all(|record| Arc::ptr_eq(record, first)));
}

#[test]
fn what_no_step_makes_is_left_out() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let strange = [
        with_layer(1, foreign.parse().expect("a type"), 1),
        with_layer(2, MediaType::OCTET_STREAM, 1),
        with_layer(3, MediaType::OCI_LAYER, LAYER_LIMIT + 1),
    ];
    let written = write(&strange, None).expect("a manifest");
    assert_eq!(written.steps, 0);

    // As somebody else might write it.
    let usual = [with_layer(1, MediaType::OCI_LAYER, 1)];
    let written = write(&usual, None).expect("a manifest");
    let manifest = String::from_utf8_lossy(written.manifest.bytes())
        .replace(MediaType::OCI_LAYER.as_str(), "application/x-layer");
    let manifest = Manifest::detect(manifest.into_bytes().into()).expect("a manifest");
    let read = read(&manifest, &written.config).expect("readable");
    assert!(read.is_empty());
}

#[test]
fn what_is_no_cache_is_refused() {
    let written = write(&[with_layer(1, MediaType::OCI_LAYER, 1)], None).expect("a manifest");
    let key = Digest::sha256(b"key");
    for (config, expected) in [
        ("", "its config is not of its form"),
        ("[]", "its config is not of its form"),
        (r#"{"version":1}"#, "its config is not of its form"),
        (
            r#"{"version":2,"steps":"other"}"#,
            "its config is of version 2, and this wharf reads 1",
        ),
        (
            &format!(
                r#"{{"version":1,"steps":[{{"keys":["{key}"],"layer":1,"diffId":"{key}"}}]}}"#
            ),
            "its config names layers that its manifest does not have",
        ),
        (
            &format!(r#"{{"version":1,"steps":[{{"keys":["{key}"],"layer":0}}]}}"#),
            "its config names layers that its manifest does not have",
        ),
        (
            &format!(r#"{{"version":1,"steps":[{{"keys":["{key}"],"diffId":"{key}"}}]}}"#),
            "its config names layers that its manifest does not have",
        ),
        (
            &format!(
                r#"{{"version":1,"steps":[{{"keys":["{key}"],"layer":-1,"diffId":"{key}"}}]}}"#
            ),
            "its config is not of its form",
        ),
        (
            r#"{"version":1,"steps":[{"keys":["../../etc/passwd"]}]}"#,
            "its config is not of its form",
        ),
        (
            &" ".repeat(CONFIG_LIMIT + 1),
            "its config has 4194305 bytes, more than the 4194304 that are read",
        ),
    ] {
        let refused = read(&written.manifest, config.as_bytes()).expect_err(expected);
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn what_can_not_be_shown_is_not() {
    let written = write(&[], None).expect("a manifest");
    let key = Digest::sha256(b"key");
    let config = format!(
        r#"{{"version":1,"steps":[{{"keys":["{key}"],"warnings":[
            {{"message":"\u001b[2Jgone","hint":""}},
            {{"message":"fine","hint":"fine"}},
            {{"message":"{}","hint":""}}]}}]}}"#,
        "x".repeat(TEXT_LIMIT + 1)
    );
    let read = read(&written.manifest, config.as_bytes()).expect("readable");
    let messages: Vec<&str> = read[&key]
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(messages, ["fine"]);
}

#[test]
fn strict_registries_take_it() {
    // What ECR and others refuse: no `mediaType`, no layer at all, types with
    // parameters, a blob that is listed twice.
    let twice = [
        with_layer(1, MediaType::OCI_LAYER, 1),
        Entry {
            keys: BTreeSet::from([Digest::sha256(b"another key")]),
            ..with_layer(1, MediaType::OCI_LAYER, 1)
        },
    ];
    for entries in [&[][..], &twice[..]] {
        let written = write(entries, None).expect("a manifest");
        let text = String::from_utf8_lossy(written.manifest.bytes());
        let plain: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(plain["mediaType"], MediaType::OCI_MANIFEST.as_str());
        assert_eq!(plain["layers"].as_array().map(Vec::len), Some(1));
        assert!(!text.contains(';'), "{text}");
        assert_eq!((written.steps, written.left_out), (entries.len(), 0));
    }
}
