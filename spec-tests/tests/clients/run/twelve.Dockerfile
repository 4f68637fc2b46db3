# Twelve commands of all kinds; those of `work` need no network and no clock.
FROM BASE AS work
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1

# 1: users
RUN groupadd -g 1500 makers && useradd -m -u 1500 -g makers -G adm -s /bin/bash maker && \
    useradd -r -d /srv/own own && rm -f /etc/*- /var/log/lastlog /var/log/faillog

# 2: packages, from a repository that is bound
RUN --mount=type=bind,source=repository,target=/repository \
    echo 'deb [trusted=yes] file:/repository ./' > /etc/apt/sources.list && \
    apt-get update && apt-get install -y own && own && stat -c %U:%G:%a /var/lib/own && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
        /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache

# 3: a compiler
RUN --mount=type=bind,source=hello.c,target=/sources/hello.c \
    --mount=type=cache,target=/var/cache/objects \
    gcc -O2 -c -o /var/cache/objects/hello.o /sources/hello.c && \
    gcc -static -o /usr/local/bin/hello /var/cache/objects/hello.o && \
    gcc -o /usr/local/bin/dynamic /var/cache/objects/hello.o && dynamic

# 4: capabilities
RUN cp /usr/local/bin/hello /usr/local/bin/able && \
    setcap cap_net_raw,cap_net_bind_service=+ep /usr/local/bin/able && \
    getcap /usr/local/bin/able | grep cap_net_raw && chmod 0750 /usr/local/bin/able

# 5: python
RUN --mount=type=bind,source=own-1.0-py3-none-any.whl,target=/wheels/own-1.0-py3-none-any.whl \
    pip install --no-index --no-deps --no-compile --no-cache-dir --break-system-packages \
        /wheels/own-1.0-py3-none-any.whl && python3 -c 'import own; print(own.WORD)' && \
    rm -rf /root/.cache /tmp/*

# 6: node
RUN --mount=type=bind,source=module,target=/module \
    cd /tmp && npm pack /module > /dev/null && mkdir -p /srv/app && cd /srv/app && \
    npm install --offline --no-audit --no-fund --install-links /tmp/own-module-1.0.0.tgz && \
    node -e 'console.log(require("own-module"))' && rm -rf /root/.npm /tmp/*

# 7: what is removed
RUN rm -rf /usr/share/doc /usr/share/info /usr/share/lintian /usr/lib/node_modules/none && \
    find /usr/share/perl5 -name '*.pod' -delete && rm /etc/issue && rm -r /opt && mkdir /opt

# 8: names of one file
RUN cd /usr/local/bin && ln hello hallo && ln hello /srv/hello && ln /etc/passwd /srv/users && \
    rm hello && ln /srv/hello hello

# 9: a daemon, which is left behind
RUN echo page > /srv/page && (cd /srv && setsid python3 -m http.server --bind 127.0.0.1 8765 \
        > /dev/null 2>&1 &) && \
    for second in $(seq 50); do \
        python3 -c 'from urllib.request import *; print(urlopen("http://127.0.0.1:8765/page").read())' \
            2> /dev/null && exit 0; sleep 0.2; \
    done; exit 1

# 10: what takes the place of another kind, and what moves
RUN mv /srv/app /srv/moved && ln -s moved /srv/app && rm /srv/page && mkdir /srv/page && \
    mkfifo /srv/page/pipe && rm -r /mnt && echo file > /mnt && mv /media /srv/media && \
    ln -s srv/media /media

# 11: owners and modes
RUN chown -R maker:makers /srv/moved && chown -h own:adm /srv/app && \
    chmod 4755 /usr/local/bin/dynamic && chmod 2775 /srv/moved && chmod 1777 /srv && \
    touch -d @1000000000 /srv/users && chgrp -R adm /srv/media

# 12: somebody else, by a script
USER maker
WORKDIR /home/maker
RUN <<SCRIPT
#!/bin/bash
set -euo pipefail
umask 027
mkdir -p deep/er
printf '%s\n' one two > deep/er/lines
id -un > who
echo "$HOME $PATH" >> who
ln -s deep/er/lines link
test "$(wc -l < link)" = 2
SCRIPT

FROM scratch
COPY --from=work /usr/local/bin/hello /hello
RUN ["/hello", "/proof"]
ENTRYPOINT ["/hello"]
