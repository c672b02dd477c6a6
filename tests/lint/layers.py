#!/usr/bin/python3
"""Each room includes only what docs/architecture.md lets it, and each outside library has its room.

usage: layers.py SOURCE_DIR
"""
import re
import sys

import sources

MAY_INCLUDE = {
    "core": set(),
    "dicom": {"core"},
    "isa": {"core"},
    "mapping": {"core", "dicom", "isa"},
    "db": {"core", "dicom", "isa"},
    "store": {"core"},
    "archive": {"core", "dicom", "isa", "mapping", "db", "store"},
    "converters": {"core", "dicom"},
    "workflow": set(sources.ROOMS) - {"scp", "web", "cli"},
    "scp": {"core", "dicom", "archive"},
    "web": {"core", "dicom", "archive"},
    "scu": {"core", "dicom"},
    "cli": set(sources.ROOMS),
}

# Header (or its beginning) of an outside library -> places that may include it.
OUTSIDE = {
    "libconfig.h": ("core/config.c", "core/config_tree.c"),
    "jansson.h": ("core/json.c",),
    "openssl/": ("core/", "dicom/tls"),
    "utf8proc.h": ("core/",),
    "xxh_x86dispatch.h": ("core/",),
    "xxhash.h": ("core/",),
    "zlib.h": ("core/",),
    "zstd.h": ("core/",),
    "dcmtk/": ("dicom/bridge/",),
    "openjpeg": ("dicom/",),
    "iconv.h": ("dicom/",),
    "zip.h": ("isa/",),
    "regex.h": ("mapping/",),
    "sqlite3.h": ("db/",),
    "nifti2_io.h": ("converters/",),
    "microhttpd.h": ("web/",),
    "jpeglib.h": ("web/",),
    "png.h": ("web/",),
    "popt.h": ("cli/",),
    # scu/: several associations send at once, and a C-MOVE to ourselves lands meanwhile
    # core/beside, core/gzip: what is waited for anyhow; blocks of a stream. Nobody else sees these
    # dicom/tls: certificates are read anew while others use them
    # core/last_thread: how those of associations are waited for
    "pthread.h": ("core/beside.c", "core/gzip.c", "core/last_thread.", "dicom/tls", "archive/", "scp/", "scu/",
                  "web/", "workflow/"),
    "threads.h": (),
    "cmocka.h": (),
}

# The C library and the kernel.
SYSTEM = set("""
aio.h assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h setjmp.h
signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h
strings.h time.h wchar.h arpa/inet.h byteswap.h dirent.h dlfcn.h endian.h fcntl.h fnmatch.h
ftw.h getopt.h glob.h ifaddrs.h linux/falloc.h linux/fs.h linux/openat2.h net/if.h netdb.h
netinet/in.h netinet/ip.h netinet/tcp.h poll.h pwd.h grp.h sched.h spawn.h syslog.h termios.h
unistd.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h sys/mman.h sys/prctl.h
sys/random.h sys/resource.h sys/sendfile.h sys/signalfd.h sys/socket.h sys/stat.h sys/statfs.h
sys/statvfs.h sys/syscall.h sys/sysinfo.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h sys/un.h
sys/vfs.h sys/wait.h sys/xattr.h linux/magic.h malloc.h
""".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def inside(path, header):
    """Why a file of ours may not be included here, or None."""
    room = path.parts[0]
    other = header.split("/")[0]
    if "/" not in header:
        return "name the room: #include \"room/file.h\""
    if header.startswith("dicom/bridge/") and path.parts[:2] != ("dicom", "bridge"):
        return "dicom/bridge/ is entered through dicom/*.h alone"
    if other not in MAY_INCLUDE:
        return f"{other}/ is no room"
    if other != room and other not in MAY_INCLUDE[room]:
        return f"{room}/ may not include {other}/"
    return None


def outside(path, header):
    """Why a header of others may not be included here, or None."""
    if header in SYSTEM:
        return None
    for prefix, places in OUTSIDE.items():
        if header.startswith(prefix):
            if any(str(path).startswith(place) for place in places):
                return None
            return f"<{header}> belongs to {' '.join(places) or 'nobody'}"
    if path.parts[:2] == ("dicom", "bridge") and "." not in header:
        return None  # the C++ library
    return f"<{header}> has no room yet: see tests/lint/layers.py"


def main(root):
    problems = []
    paths = sources.files(root, sources.ROOMS, sources.C_SUFFIXES)
    for path in paths:
        if path.suffix == ".cc" and path.parts[:2] != ("dicom", "bridge"):
            problems.append(f"{path}: C++ stands in dicom/bridge/ alone")
        for number, line in sources.lines(root, path):
            match = INCLUDE.match(line)
            if not match or sources.ALLOWED.search(line):
                continue
            header = match[1] or match[2]
            ours = match[1] and not header.startswith("dcmtk/")  # DCMTK's own way is quotes
            reason = inside(path, header) if ours else outside(path, header)
            if reason:
                problems.append(f"{path}:{number}: {reason}")
    return sources.report(problems, len(paths))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
