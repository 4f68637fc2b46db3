use builder::Span;
use proptest::prelude::*;

use super::*;

/// Two files with something to say of each.
struct Scene {
    files: [(SourceText, Vec<Diagnostic>); 2],
}

impl Scene {
    fn new() -> Self {
        let text = |name: &str, text: &str| SourceText {
            name: name.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let dockerfile = text(
            "Dockerfile",
            "FROM scratch\n# 50% \u{e9}\u{1f40b}\nCOPY --chwon=1 a,b:c /\nWORKDIR a \\\n  b\n",
        );
        let at = |part: &str| {
            let all = std::str::from_utf8(&dockerfile.bytes).expect("text");
            let start = all.find(part).expect("there");
            Span::new(start, start + part.len())
        };
        let said = vec![
            Diagnostic::error("unknown-flag", at("--chwon"), "unknown flag `--chwon`: 50%")
                .hint("did you mean `--chown`?"),
            Diagnostic::warning("WorkdirRelativePath", at("a \\\n  b"), "`a` is relative"),
        ];
        let ignore = text(".dockerignore", "\u{1f40b}[\n");
        let in_ignore = Diagnostic::error("invalid-pattern", Span::new(4, 5), "no `]` follows");
        Self {
            files: [(dockerfile, said), (ignore, vec![in_ignore])],
        }
    }

    fn checked(&self) -> Vec<Checked<'_>> {
        self.files
            .iter()
            .map(|(source, diagnostics)| Checked {
                name: format!("my shop/{}", source.name),
                source,
                diagnostics,
            })
            .collect()
    }

    fn written(&self, form: Form) -> String {
        write(form, Colours::Off, &self.checked()).expect("written")
    }
}

#[test]
fn people_read_excerpts() {
    assert_eq!(
        Scene::new().written(Form::Human),
        "error[unknown-flag]: unknown flag `--chwon`: 50%
 --> my shop/Dockerfile:3:6
  |
3 | COPY --chwon=1 a,b:c /
  |      ^^^^^^^
  |
  = hint: did you mean `--chown`?

warning[WorkdirRelativePath]: `a` is relative
 --> my shop/Dockerfile:4:9
  |
4 |   WORKDIR a \\
  |  _________^
5 | |   b
  | |___^

error[invalid-pattern]: no `]` follows
 --> my shop/.dockerignore:1:2
  |
1 | \u{1f40b}[
  |   ^
"
    );
}

#[test]
fn colours_are_asked_for() {
    let scene = Scene::new();
    let coloured = write(Form::Human, Colours::On, &scene.checked()).expect("written");
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    assert!(!scene.written(Form::Human).contains('\u{1b}'));
}

#[test]
fn programs_read_json() {
    assert_eq!(
        Scene::new().written(Form::Json),
        r#"{
  "version": 1,
  "file": "my shop/Dockerfile",
  "diagnostics": [
    {
      "file": "my shop/Dockerfile",
      "severity": "error",
      "code": "unknown-flag",
      "message": "unknown flag `--chwon`: 50%",
      "hint": "did you mean `--chown`?",
      "span": {
        "start": 31,
        "end": 38,
        "startLine": 3,
        "startColumn": 6,
        "endLine": 3,
        "endColumn": 13
      },
      "url": null
    },
    {
      "file": "my shop/Dockerfile",
      "severity": "warning",
      "code": "WorkdirRelativePath",
      "message": "`a` is relative",
      "hint": null,
      "span": {
        "start": 57,
        "end": 64,
        "startLine": 4,
        "startColumn": 9,
        "endLine": 5,
        "endColumn": 4
      },
      "url": "https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/"
    },
    {
      "file": "my shop/.dockerignore",
      "severity": "error",
      "code": "invalid-pattern",
      "message": "no `]` follows",
      "hint": null,
      "span": {
        "start": 4,
        "end": 5,
        "startLine": 1,
        "startColumn": 2,
        "endLine": 1,
        "endColumn": 3
      },
      "url": null
    }
  ]
}
"#
    );
}

#[test]
fn code_hosts_read_sarif() {
    let written = Scene::new().written(Form::Sarif);
    let mut log: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    let driver = &mut log["runs"][0]["tool"]["driver"];
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    let rules = driver["rules"].take();
    let rules = rules.as_array().expect("rules");
    // Every rule that there is, and the two codes that are none.
    assert_eq!(rules.len(), RULES.len() + 2);
    let number = |code: &str| rules.iter().position(|rule| rule["id"] == code);
    for rule in rules {
        let text = rule["shortDescription"]["text"].as_str().expect("text");
        assert!(!text.is_empty(), "{rule}");
    }
    let place = |file: &str, region: [usize; 4]| {
        serde_json::json!([{
            "physicalLocation": {
                "artifactLocation": {
                    "uri": format!("my%20shop/{file}"),
                    "uriBaseId": "%SRCROOT%",
                },
                "region": {
                    "startLine": region[0],
                    "startColumn": region[1],
                    "endLine": region[2],
                    "endColumn": region[3],
                },
            },
        }])
    };
    assert_eq!(
        log["runs"][0]["results"],
        serde_json::json!([
            {
                "ruleId": "unknown-flag",
                "ruleIndex": number("unknown-flag"),
                "level": "error",
                "message": {
                    "text": "unknown flag `--chwon`: 50%\nhint: did you mean `--chown`?",
                },
                "locations": place("Dockerfile", [3, 6, 3, 13]),
            },
            {
                "ruleId": "WorkdirRelativePath",
                "ruleIndex": number("WorkdirRelativePath"),
                "level": "warning",
                "message": { "text": "`a` is relative" },
                "locations": place("Dockerfile", [4, 9, 5, 4]),
            },
            {
                "ruleId": "invalid-pattern",
                "ruleIndex": number("invalid-pattern"),
                "level": "error",
                "message": { "text": "no `]` follows" },
                "locations": place(".dockerignore", [1, 2, 1, 3]),
            },
        ])
    );
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["columnKind"], "unicodeCodePoints");
}

#[test]
fn workflows_read_annotations() {
    assert_eq!(
        Scene::new().written(Form::Github),
        "::error file=my shop/Dockerfile,line=3,endLine=3,col=6,endColumn=13,title=unknown-flag::unknown flag `--chwon`: 50%25%0Ahint: did you mean `--chown`?\n\
         ::warning file=my shop/Dockerfile,line=4,endLine=5,title=WorkdirRelativePath::`a` is relative\n\
         ::error file=my shop/.dockerignore,line=1,endLine=1,col=2,endColumn=3,title=invalid-pattern::no `]` follows\n"
    );
}

#[test]
fn passwords_and_cursors_are_left_out_of_every_form() {
    let source = SourceText {
        name: "Dockerfile".to_owned(),
        bytes: b"ADD https://eve:s3cret@h.test/a /\x1b[2J\n".to_vec(),
    };
    let said = Diagnostic::warning(
        "x",
        Span::new(4, 20),
        "`https://eve:s3cret@h.test/a`\u{1b}[2J",
    )
    .hint("not `https://eve:s3cret@h.test/b`");
    let checked = [Checked {
        name: "https://eve:s3cret@h.test/Dockerfile".to_owned(),
        source: &source,
        diagnostics: &[said],
    }];
    for form in [Form::Human, Form::Json, Form::Sarif, Form::Github] {
        let written = write(form, Colours::Off, &checked).expect("written");
        assert!(!written.contains("s3cret"), "{written}");
        assert!(!written.contains('\u{1b}'), "{written}");
    }
}

#[test]
fn mistakes_are_not_hidden_by_warnings() {
    let at = |start| Span::new(start, start);
    let mut all: Vec<_> = (0..SHOWN + 9)
        .map(|start| Diagnostic::warning("odd", at(start), "odd"))
        .collect();
    assert_eq!(choose(&all[..SHOWN]).1, 0);
    all.push(Diagnostic::error("wrong", at(SHOWN + 9), "wrong"));
    let (shown, more) = choose(&all);
    let starts: Vec<_> = shown.iter().map(|shown| shown.span.start).collect();
    let expected: Vec<_> = (0..SHOWN - 1).chain([SHOWN + 9]).collect();
    assert_eq!((starts, more), (expected, 10));
}

#[test]
fn rules_have_pages_and_mistakes_have_none() {
    for (code, page) in [
        ("JSONArgsRecommended", Some("json-args-recommended")),
        ("StageNameCasing", Some("stage-name-casing")),
        ("LatestTag", None),
        ("unknown-flag", None),
    ] {
        let expected = page.map(|page| format!("{RULES_URL}{page}/"));
        assert_eq!(url(code), expected, "{code}");
    }
}

#[test]
fn the_end_says_what_was_found() {
    let scene = Scene::new();
    let all = scene.checked();
    assert_eq!(
        summary(&all),
        "checked `my shop/Dockerfile` and `my shop/.dockerignore`: 2 errors, 1 warning"
    );
    let told = |checked: &[Checked<'_>]| {
        let ended = end(checked).err();
        ended.map(|error| error.to_string())
    };
    assert!(told(&all).is_some());
    assert_eq!(told(&[]), None);
    let quiet = [Checked {
        diagnostics: &[],
        ..all[0].clone()
    }];
    assert_eq!(
        summary(&quiet),
        "checked `my shop/Dockerfile`: nothing was found"
    );
    let odd = [Checked {
        diagnostics: &all[0].diagnostics[1..],
        ..all[0].clone()
    }];
    assert_eq!(summary(&odd), "checked `my shop/Dockerfile`: 1 warning");
}

/// What moves the cursor of a terminal.
const ESCAPE: char = '\u{1b}';

proptest! {
    /// Whatever stands in a file or a name, an annotation is one line with
    /// one message, and what it says can be had back.
    #[test]
    fn annotations_are_lines(name in ".*", message in ".*", hint in ".*", bytes: Vec<u8>, start in 0usize..40, end in 0usize..40) {
        let source = SourceText { name: name.clone(), bytes };
        let said = Diagnostic::warning("x", Span::new(start, end), message.clone()).hint(hint.clone());
        let checked = [Checked { name: name.clone(), source: &source, diagnostics: &[said] }];
        let written = write(Form::Github, Colours::Off, &checked).expect("written");
        let line = written.strip_suffix('\n').expect("a line");
        prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
        let (command, said) = line.strip_prefix("::").expect("a command").split_once("::").expect("a message");
        let properties: Vec<&str> = command.strip_prefix("warning ").expect("a warning").split(',').collect();
        let title = properties.last().expect("a property");
        prop_assert_eq!(*title, "title=x");
        let file = unescaped(properties[0]);
        prop_assert_eq!(file, format!("file={}", clean(&name)));
        prop_assert_eq!(unescaped(said), format!("{}\nhint: {}", clean(&message), clean(&hint)));
    }

    #[test]
    fn any_span_of_any_bytes_is_written(bytes: Vec<u8>, start in 0usize..40, end in 0usize..40) {
        let source = SourceText { name: "Dockerfile".to_owned(), bytes };
        let said = Diagnostic::error("x", Span::new(start, end), "y");
        let checked = [Checked { name: "Dockerfile".to_owned(), source: &source, diagnostics: &[said] }];
        for form in [Form::Human, Form::Json, Form::Sarif, Form::Github] {
            let written = write(form, Colours::Off, &checked).expect("written");
            prop_assert!(written.ends_with("\n"));
            prop_assert!(!written.contains(ESCAPE), "{}", written);
        }
    }
}

/// Reads an annotation as its reader does.
fn unescaped(text: &str) -> String {
    text.replace("%2C", ",")
        .replace("%3A", ":")
        .replace("%0A", "\n")
        .replace("%0D", "\r")
        .replace("%25", "%")
}
