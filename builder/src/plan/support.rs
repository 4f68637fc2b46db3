//! What the language has and wharf does not do yet. Each is an error at its
//! place: nothing is accepted and then left out.

use dockerfile::{Copy, Diagnostic, Directive, Dockerfile, Instruction, Kind, Source, Span};

use super::code;

/// Names everything in a file that is not done yet.
pub(crate) fn check(file: &Dockerfile) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = file.directives.iter().filter_map(directive).collect();
    for stage in &file.stages {
        for step in &stage.instructions {
            instruction(step, &mut found);
        }
    }
    found
}

fn directive(directive: &Directive) -> Option<Diagnostic> {
    let span = directive.value.span();
    match directive.name.as_str() {
        "syntax" => {
            let syntax = directive.value.as_str();
            let name = syntax.strip_prefix("docker.io/").unwrap_or(syntax);
            let version = name.strip_prefix("docker/dockerfile:");
            // Files of these versions mean the same here; what they have and
            // wharf has not is named where it stands.
            if version.is_some_and(|version| {
                version == "1" || version.starts_with("1.") || version == "latest"
            }) {
                return None;
            }
            let message = format!("the syntax `{}` is not known", crate::plan::excerpt(syntax));
            let hint = "wharf reads Dockerfiles itself, up to `docker/dockerfile:1`, and never pulls a program to do so";
            Some(Diagnostic::error(code::UNSUPPORTED, span, message).hint(hint))
        }
        "check" => {
            let message = "build checks are not done yet: `# check=` changes nothing";
            Some(Diagnostic::warning(code::UNSUPPORTED, span, message))
        }
        _ => None,
    }
}

fn instruction(step: &Instruction, found: &mut Vec<Diagnostic>) {
    let not_yet = |span: Span, what: &str, hint: &str| {
        Diagnostic::error(
            code::UNSUPPORTED,
            span,
            format!("{what} is not supported yet"),
        )
        .hint(hint)
    };
    match &step.kind {
        Kind::Run(_) => found.push(not_yet(
            keyword(step),
            "`RUN`",
            "build the files beforehand, and `COPY` them",
        )),
        Kind::Healthcheck(_) => found.push(not_yet(
            keyword(step),
            "`HEALTHCHECK`",
            "let whoever starts the container check it",
        )),
        Kind::Onbuild(_) => found.push(not_yet(
            keyword(step),
            "`ONBUILD`",
            "put the instruction into the Dockerfiles that build on this image",
        )),
        Kind::Maintainer(_) => found.push(not_yet(
            keyword(step),
            "`MAINTAINER`, which is deprecated,",
            "write `LABEL org.opencontainers.image.authors=...`",
        )),
        Kind::Copy(copy) => flags(copy, found),
        Kind::Add(copy) => {
            flags(copy, found);
            for source in &copy.sources {
                if let Source::Path(path) = source
                    && is_remote(path.as_str())
                {
                    found.push(not_yet(
                        path.span(),
                        "`ADD` of a URL or a git repository",
                        "fetch it beforehand, and `COPY` it",
                    ));
                }
            }
        }
        _ => {}
    }
}

/// Points at the word that an instruction starts with.
fn keyword(step: &Instruction) -> Span {
    let length = step.text.split_whitespace().next().map_or(0, str::len);
    Span::new(step.span.start, step.span.start + length)
}

fn flags(copy: &Copy, found: &mut Vec<Diagnostic>) {
    for flag in &copy.flags {
        let hint = match flag.name.as_str() {
            "link" => "leave it out: the result is the same unless a link stands in the way",
            "exclude" => "name the files in `.dockerignore`",
            "parents" => "copy each directory to where it belongs",
            "unpack" => "unpack the archive beforehand, and `COPY` what is in it",
            _ => "fetch it beforehand, and `COPY` it",
        };
        let message = format!("the flag `--{}` is not supported yet", flag.name);
        found.push(Diagnostic::error(code::UNSUPPORTED, flag.span, message).hint(hint));
    }
}

/// Says whether `ADD` would fetch this from elsewhere.
fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"]
        .iter()
        .any(|prefix| source.starts_with(prefix))
}
