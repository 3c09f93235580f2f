"""Two system calls Python has no name for; where the system lacks them, they do nothing."""

import ctypes
import errno
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_FALLOCATE = getattr(_LIBC, "fallocate64", None) or getattr(_LIBC, "fallocate", None)
_SYNC_RANGE = getattr(_LIBC, "sync_file_range", None)
_BEGIN_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
if _FALLOCATE:
    _FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
if _SYNC_RANGE:
    _SYNC_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def allocate(descriptor: int, size: int) -> None:
    """Take disk space for a whole file, and make it at least that long.

    Not `os.posix_fallocate`: where the filesystem has no such thing (NFS 3), that one writes to every single page.
    There we only look whether there is room.

    Raises:
        OSError: there is not enough space.
    """
    if _FALLOCATE and _FALLOCATE(descriptor, 0, 0, size) == 0:
        return
    number = ctypes.get_errno() if _FALLOCATE else errno.ENOSYS
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number))
    space = os.fstatvfs(descriptor)
    if space.f_bavail * space.f_frsize < size - os.fstat(descriptor).st_blocks * 512:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def begin_writeback(descriptor: int, offset: int, size: int) -> None:
    """Have the kernel start to write a part of a file to the disk now, so that the fsync at the end finds little to do.

    Errors are left for that fsync to tell.
    """
    if _SYNC_RANGE:
        _SYNC_RANGE(descriptor, offset, size, _BEGIN_WRITE)
