//! The long Dockerfile: 20 steps in four stages, with commands that read, sort, digest and
//! pack what is there. The last stages see the file that changes, the first do not.

/// What is built, from the tree of [`super::context`].
pub(super) const DOCKERFILE: &str = r#"ARG BASE
FROM $BASE AS tools
RUN mkdir -p /opt/tools/bin && cp -a /usr/share/zoneinfo /usr/share/perl5 /opt/tools/
RUN find /opt/tools -type f | sort | xargs -d '\n' sha256sum > /opt/tools/sums
RUN for n in 1 2 3 4 5 6 7 8; do printf '#!/bin/sh\nexec sort -k%s "$@"\n' "$n" > /opt/tools/bin/sort-$n; done && chmod 755 /opt/tools/bin/*

FROM $BASE AS vendor
WORKDIR /app
COPY part-0 vendor/part-0
COPY part-1 vendor/part-1
RUN find vendor -type f | sort > vendor.list
RUN xargs -d '\n' cat < vendor.list | gzip -n -1 > vendor.gz
RUN tar --sort=name --mtime=@0 -cf vendor.tar vendor && rm -r vendor

FROM vendor AS build
COPY --from=tools /opt/tools /opt/tools
COPY part-2 src/part-2
COPY changed.txt src/
RUN find src -type f | sort | xargs -d '\n' sha256sum > sums
RUN find src -type f -size -64k | sort | xargs -d '\n' cat | tr -s ' ' '\n' | sort | uniq -c > words
RUN mkdir out && gzip -n -6 -c words > out/words.gz && cp sums vendor.gz out/

FROM $BASE
RUN useradd --no-create-home --uid 4000 app
COPY --from=build --chown=4000:4000 /app/out /srv/app
COPY --from=tools /opt/tools/bin /usr/local/bin
WORKDIR /srv/app
RUN test -s words.gz && ls -l > list
USER app
CMD ["sort-1", "list"]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twenty_steps() {
        let steps = ["RUN ", "COPY ", "WORKDIR "];
        let is_step = |line: &&str| steps.iter().any(|word| line.starts_with(word));
        assert_eq!(DOCKERFILE.lines().filter(is_step).count(), 20);
        let stages = DOCKERFILE.lines().filter(|line| line.starts_with("FROM "));
        assert_eq!(stages.count(), 4);
    }
}
