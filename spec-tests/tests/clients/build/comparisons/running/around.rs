//! What commands see around them: variables, users, directories, arguments, devices and
//! rights. Each writes what it sees into files.

use crate::build::comparisons::{Comparison, buildah, runs};
use crate::build::peers::Peer;

/// All cases. `SOURCE_DATE_EPOCH` is wharf's own, `HOSTNAME` buildah's, the others of the
/// shell itself.
pub(crate) const AROUND: &[Comparison] = &[
    // Forms.
    runs(
        "the shell's form",
        "FROM BASE\nRUN echo one > /x && echo two >> /x; echo three | cat >> /x\n\
         RUN   echo  \"a  b\"  'c  d'  e\\ f   > /y\nrun echo lower > /z\n",
    ),
    runs(
        "lines that go on, with comments between",
        "FROM BASE\nRUN echo one > /x && \\\n# a comment\n    # another\n  echo two >> /x && \\\n\n  \
         echo three >> /x\nRUN echo a\\\nb > /y\n",
    ),
    runs(
        "the form of an array",
        "FROM BASE\nENV A=b\nRUN [\"cp\", \"/etc/motd\", \"/x y\"]\n\
         RUN [\"touch\", \"/$A\", \"/a\\tb\", \"/\\u00fc\", \"/*\", \"/a && b\"]\n\
         RUN [\"/bin/sh\", \"-c\", \"echo $A > /z\"]\n",
    ),
    runs(
        "an array that is none",
        "FROM BASE\nRUN [ -f /etc/motd ] && echo there > /x\nRUN [ -f /etc/none ] || echo not > /y\n",
    ),
    runs(
        "SHELL",
        "FROM BASE\nSHELL [\"/bin/sh\", \"-exc\"]\nRUN echo $- > /x\n\
         SHELL [\"/bin/busybox\", \"awk\"]\nRUN BEGIN { print \"awk\" > \"/y\" }\n\
         FROM BASE\nRUN echo $- > /z\n",
    ),
    runs(
        "another escape character",
        "# escape=`\nFROM BASE\nRUN echo one `\n  two > /x && echo 'a\\nb' > /y\n",
    ),
    runs("SHELL of the base", "FROM BASE\nRUN echo $- > /x\n").upon(
        "FROM BASE\nRUN echo $- > /y\nSHELL [\"/bin/sh\", \"-euc\"]\nCMD [\"x\"]\nENTRYPOINT y\n",
    ),
    // Variables.
    runs(
        "variables",
        "FROM BASE\nENV A=b C=\"d e\" F=$A\nENV A=again\nARG g=h\nARG unset\n\
         RUN env | grep -v -E '^(SOURCE_DATE_EPOCH|HOSTNAME|SHLVL|PWD|OLDPWD|A)=' | sort > /x\n\
         RUN echo \"$A ${F}x ${g} ${unset-none} ${none:-other}\" '$A' \\$A \"$C\" $C > /y\n\
         RUN g=mine; echo $g > /z; for i in 1 2; do echo $i${g%e} >> /z; done\n",
    ),
    runs(
        "variables that are there from the start",
        "FROM BASE\nRUN env | grep -v -E '^(SOURCE_DATE_EPOCH|HOSTNAME|SHLVL|PWD|OLDPWD)=' | sort > /x\n\
         USER app\nRUN env | grep -E '^(HOME|PATH|USER|TERM)=' | sort > /tmp/y\n\
         ENV HOME=/elsewhere PATH=/srv:/bin\nRUN env | grep -E '^(HOME|PATH)=' | sort > /tmp/z\n",
    )
    .differs(&[buildah("Env", "buildah-order")]),
    runs(
        "no PATH in the config",
        "FROM BASE AS one\nFROM scratch\nCOPY --from=one / /\nRUN echo $PATH > /x\n",
    )
    .differs(&[buildah("WorkingDir", "buildah-working-directory")]),
    runs(
        "ARG",
        "ARG v=outside\nFROM BASE\nARG v\nARG w=default\nRUN echo $v $w > /x\n\
         RUN env | grep -E '^(v|w)=' | sort > /y\nFROM BASE\nRUN echo \"<$v$w>\" > /z\n",
    )
    .flags("--build-arg w=given"),
    runs(
        "ARG of proxies needs no line",
        "FROM BASE\nRUN echo $no_proxy > /x\n",
    )
    .flags("--build-arg no_proxy=localhost"),
    runs(
        "variables of what is built for",
        "FROM BASE\nARG TARGETARCH\nARG TARGETOS\nRUN echo $TARGETOS $TARGETARCH > /x\n",
    ),
    // Users.
    runs(
        "USER by name",
        "FROM BASE\nRUN chmod 0777 /srv && printf '#!/bin/sh\\nid -un; id -u; id -gn; id -g; id -G | tr \" \" \"\\\\n\" | sort -un' > /bin/who.sh && chmod 0755 /bin/who.sh\nUSER app\nRUN who.sh > /srv/1; echo $HOME >> /srv/1\n\
         USER app:staff\nRUN who.sh > /srv/2; echo $HOME >> /srv/2\n\
         USER alone\nRUN who.sh > /srv/3; echo $HOME >> /srv/3\n\
         USER root\nRUN who.sh > /srv/4; echo $HOME >> /srv/4\n",
    ),
    runs(
        "USER by number",
        "FROM BASE\nRUN chmod 0777 /srv && printf '#!/bin/sh\\nid -un; id -u; id -gn; id -g; id -G | tr \" \" \"\\\\n\" | sort -un' > /bin/who.sh && chmod 0755 /bin/who.sh\nUSER 1000\nRUN who.sh > /srv/1; echo $HOME >> /srv/1\n\
         USER 1000:50\nRUN who.sh > /srv/2; echo $HOME >> /srv/2\n\
         USER 5\nRUN who.sh > /srv/3; echo $HOME >> /srv/3\n\
         USER 5:staff\nRUN who.sh > /srv/4; echo $HOME >> /srv/4\n\
         USER 60000:60001\nRUN who.sh > /srv/5; echo $HOME >> /srv/5\n",
    ),
    runs(
        "users that commands make",
        "FROM BASE\nRUN echo new:x:2000:2001::/home/new:/bin/sh >> /etc/passwd && \
         echo group:x:2001: >> /etc/group && echo more:x:2002:new >> /etc/group && \
         mkdir -p /home/new && chown new:group /home/new && printf '#!/bin/sh\\nid -un; id -u; id -gn; id -g; id -G | tr \" \" \"\\\\n\" | sort -un' > /bin/who.sh && chmod 0755 /bin/who.sh\n\
         USER new\nWORKDIR /home/new\nRUN who.sh > f && echo $HOME >> f\n\
         COPY --chown=new:more a.txt ./\n",
    ),
    runs(
        "what a user may not do",
        "FROM BASE\nRUN chmod 0777 /srv\nUSER app\n\
         RUN (echo x > /etc/motd) 2> /dev/null || echo refused > /srv/1\n\
         RUN (cat /srv/private/secret > /srv/2) 2> /dev/null; (chown 0 /srv/file) 2> /dev/null; \
         (chmod 4755 /usr/bin/busybox) 2> /dev/null; (rm -r /srv/real) 2> /dev/null; true\n",
    ),
    // Where and how.
    runs(
        "where it runs",
        "FROM BASE\nRUN pwd > /1\nWORKDIR /srv/nested\nRUN pwd > 2\nWORKDIR /opt/relative\n\
         RUN pwd > 3; pwd -P > 4\nWORKDIR more\nRUN pwd > 5; cd .. && pwd > 6\n",
    ),
    runs(
        "masks, input and descriptors",
        "FROM BASE\nRUN umask > /1; mkdir /d; : > /f; wc -c < /dev/stdin > /2\n\
         RUN ls /proc/self/fd | wc -l > /tmp/n; \
         cat <&0 > /3; test -t 1 || echo none > /4\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "devices",
        "FROM BASE\nRUN for d in null zero full random urandom tty; do \
         stat -c '%n %a %t %T %F' /dev/$d >> /x; done; readlink /dev/fd /dev/stdin /dev/stdout \
         /dev/stderr >> /x; echo gone > /dev/null; head -c 3 /dev/zero | wc -c >> /x; \
         test -c /dev/ptmx && echo terminals >> /x; touch /dev/shm/f && stat -c %a /dev/shm >> /x\n",
    ),
    runs(
        "names of machines",
        "FROM BASE\nRUN grep -w localhost /etc/hosts | grep 127.0.0.1 | wc -l > /x; \
         test -e /etc/resolv.conf && echo there > /y\n",
    ),
    runs(
        "what may not be written",
        "FROM BASE\nRUN for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x \
         /sys/power/state /sys/x; do (echo x > $f) 2> /dev/null && echo $f >> /x; done; true\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "what may not be read",
        "FROM BASE\nRUN for f in /proc/kcore /proc/keys /proc/timer_list; do \
         (head -c 1 $f | wc -c) 2> /dev/null >> /x; done; ls /proc/acpi /sys/firmware | \
         grep -v : | wc -w >> /x; true\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "rights of root",
        "FROM BASE\nRUN grep CapBnd /proc/self/status > /x; grep CapEff /proc/self/status >> /x; \
         grep CapInh /proc/self/status >> /x; grep CapAmb /proc/self/status >> /x; \
         grep NoNewPrivs /proc/self/status >> /x; grep -w Seccomp: /proc/self/status >> /x\n\
         USER app\nRUN grep -E 'Cap(Eff|Prm|Amb)' /proc/self/status > /tmp/y\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "calls that are refused",
        "FROM BASE\nRUN for c in 'mount -t tmpfs none /srv' 'unshare -m true' 'unshare -U true' \
         'hostname other' 'date -s 2000-01-01' 'mount -o remount,rw /sys' 'umount /proc' \
         'chroot / true' 'nice -n 5 true' 'nice -n -5 true' 'swapoff -a' 'insmod /x' 'losetup -f'; \
         do $c > /dev/null 2>&1 && echo \"$c\" >> /x; done; true\n",
    )
    .only(&[Peer::Docker]),
    // Processes.
    runs(
        "processes that are left behind",
        "FROM BASE\nRUN (sleep 300 &) ; setsid sleep 300 > /dev/null 2>&1 & echo $? > /x\n\
         RUN ps | grep -v grep | grep -c 'sleep 300' > /y; true\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "a daemon that is asked, and left behind",
        "FROM BASE\nRUN mkdir /www && echo page > /www/p && (httpd -f -p 127.0.0.1:8080 -h /www \
         > /dev/null 2>&1 &) && sleep 0.5 && wget -q -O /x http://127.0.0.1:8080/p\n",
    )
    .only(&[Peer::Docker]),
    runs(
        "orphans are reaped",
        "FROM BASE\nRUN for i in 1 2 3; do (sh -c 'sleep 0.1 &' ); done; sleep 0.4; \
         ps -o stat | grep -c Z > /x; true\n",
    )
    .only(&[Peer::Docker]),
];
