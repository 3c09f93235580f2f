"""Three system calls Python has no name for; where the system lacks them, they do nothing."""

import ctypes
import errno
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_FALLOCATE = getattr(_LIBC, "fallocate64", None) or getattr(_LIBC, "fallocate", None)
_FSTATFS = getattr(_LIBC, "fstatfs", None)
_SYNC_RANGE = getattr(_LIBC, "sync_file_range", None)
_BEGIN_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_TMPFS = 0x01021994  # TMPFS_MAGIC of statfs(2)
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
if _FALLOCATE:
    _FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
if _SYNC_RANGE:
    _SYNC_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def allocate(descriptor: int, size: int) -> bool:
    """Take disk space for a whole file, and make it at least that long; False where that is not done.

    Not `os.posix_fallocate`: where the filesystem has no such thing (NFS 3), that one writes to every single page. A
    tmpfs has it, but reserves by giving the file all its pages, which for a pull is a quarter of a second per gigabyte
    before the first byte is asked for.

    Raises:
        OSError: there is not enough space.
    """
    if not _FALLOCATE or is_in_memory(descriptor):
        return False
    while _FALLOCATE(descriptor, 0, 0, size) != 0:
        number = ctypes.get_errno()
        if number in _UNSUPPORTED:
            return False
        if number != errno.EINTR:  # a signal came; Python has run its handler by now
            raise OSError(number, os.strerror(number))
    return True


def is_in_memory(descriptor: int) -> bool:
    """Whether a file lies on a tmpfs."""
    answer = (ctypes.c_uint32 * 1024)()  # the type is its first field: 32 bits, or 64 of which these are the lower
    if not _FALLOCATE or not _FSTATFS:
        return False
    return _FSTATFS(descriptor, answer) == 0 and answer[0] == _TMPFS


def begin_writeback(descriptor: int, offset: int, size: int) -> None:
    """Have the kernel start to write a part of a file to the disk now, so that the fsync at the end finds little to do.

    Errors are left for that fsync to tell.
    """
    if _SYNC_RANGE:
        _SYNC_RANGE(descriptor, offset, size, _BEGIN_WRITE)
