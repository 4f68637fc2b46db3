//! Debian's own programs on Debian: packages, users, links that the linker wants.
//!
//! Nothing is fetched: the package is made by the step before. What depends on the
//! time, logs and caches, is removed by the step that made it. Each case takes long, so
//! that there are two.

use crate::build::comparisons::{Comparison, buildah, runs};

/// All cases.
pub(crate) const PACKAGING: &[Comparison] = &[
    runs("users, alternatives, the linker's cache, perl", SETTLED)
        .debian()
        .differs(&[buildah("/etc/hosts", "mount-stubs")]),
    runs("apt-get installs, and removes", INSTALLED)
        .debian()
        .differs(&[buildah("/etc/hosts", "mount-stubs")]),
];

/// Users and what else is made without packages.
const SETTLED: &str = r#"FROM BASE
ENV PATH=/usr/sbin:/usr/bin
RUN groupadd -g 1500 makers && useradd -m -u 1500 -g makers -G adm,audio -s /bin/bash maker && \
    useradd -r daemonic && usermod -L maker && chown -R maker:makers /srv && \
    sed -i -E 's/^((maker|daemonic):[^:]*):[0-9]*/\1:1/' /etc/shadow && \
    rm -f /etc/*- /var/log/lastlog /var/log/faillog
RUN update-alternatives --install /usr/bin/own own /bin/cat 10 \
        --slave /usr/share/own own-data /etc/hostname && \
    dpkg-divert --local --rename --add /etc/issue.net && ldconfig && \
    rm -f /var/log/alternatives.log /var/cache/ldconfig/aux-cache /etc/ld.so.cache
RUN perl -e 'mkdir "/x"; for (1..50) { open F, ">", "/x/$_"; print F $_ x 100; close F; \
        chmod 0600, "/x/$_" if $_ % 2 } symlink "1", "/x/l"; link "/x/2", "/x/h"' && \
    tar -C /x -cf /x.tar . && mkdir /y && tar -C /y -xf /x.tar && rm -r /x /x.tar
USER maker
WORKDIR /home/maker
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN cat <(echo one) <(echo two) > both && id > f && echo $HOME >> f && umask >> f && mkdir -p .config/own && chmod 700 .config
"#;

/// A repository of one package, from which apt-get takes it.
const INSTALLED: &str = r#"FROM BASE
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir -p /p/DEBIAN /p/usr/bin /p/etc /p/var/lib/own /repo && \
    printf 'Package: own\nVersion: 1.2-3\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: own\n' \
    > /p/DEBIAN/control && echo /etc/own.conf > /p/DEBIAN/conffiles && echo conf > /p/etc/own.conf && \
    printf '#!/bin/sh\nchown daemon:adm /var/lib/own && chmod 2750 /var/lib/own\n' > /p/DEBIAN/postinst && \
    chmod 0755 /p/DEBIAN/postinst && printf '#!/bin/sh\necho own\n' > /p/usr/bin/own && \
    chmod 4755 /p/usr/bin/own && ln -s own /p/usr/bin/owned && \
    SOURCE_DATE_EPOCH=1 dpkg-deb --root-owner-group --build /p /repo/own.deb && cd /repo && \
    { dpkg-deb -f own.deb; echo Filename: ./own.deb; echo Size: $(stat -c %s own.deb); \
    echo SHA256: $(sha256sum own.deb | cut -d ' ' -f 1); } > Packages && rm -r /p && \
    echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list
RUN apt-get update && apt-get install -y own && own > /said
RUN apt-get remove -y own && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt \
    /var/log/dpkg.log /var/cache/apt /var/lib/dpkg/*-old /usr/share/doc /usr/share/locale /repo && \
    find /usr/share -name '*.txt' -delete
"#;
