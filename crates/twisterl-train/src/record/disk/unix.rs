//! Folders by descriptor: what is done in a folder reaches this folder, whatever its path leads to by then.

use super::entry::{Access, Kind, Links};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An open folder.
#[derive(Debug)]
pub(super) struct Handle(OwnedFd);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, FOLDER, Mode::empty())?))
    }

    pub(super) fn open_folder(&self, name: &OsStr, links: Links) -> io::Result<Self> {
        let flags = FOLDER | no_follow(links);
        Ok(Self(fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Opens a file. Does not wait for the other end of a pipe.
    pub(super) fn open_file(&self, name: &OsStr, access: Access, links: Links) -> io::Result<File> {
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Append => OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
            Access::New => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
            Access::Lock => OFlags::RDWR | OFlags::CREATE,
        };
        let careful = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | no_follow(links);
        Ok(fs::openat(&self.0, name, flags | careful, Mode::from_raw_mode(0o666))?.into())
    }

    pub(super) fn kind(&self, name: &OsStr, links: Links) -> io::Result<Option<Kind>> {
        Ok(self.stat(name, links)?.map(|stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Pipe,
            _ => Kind::Other,
        }))
    }

    /// Returns true if `name` is `file`, neither removed nor replaced since that was opened.
    pub(super) fn is_same(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let open = fs::fstat(file)?;
        let found = self.stat(name, Links::Refuse)?;
        Ok(found.is_some_and(|found| is_same(&found, &open)))
    }

    /// The number of names that a file has.
    pub(super) fn names_of(file: &File) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(file.metadata()?.nlink())
    }

    pub(super) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?)
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &self.0, to)?)
    }

    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub(super) fn remove_empty_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Returns true if `path` leads to this folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let here = fs::fstat(&self.0);
        let there = fs::stat(path);
        here.is_ok_and(|here| there.is_ok_and(|there| is_same(&here, &there)))
    }

    /// Returns a path of this folder, if the system knows one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use std::os::fd::AsRawFd;
            std::fs::read_link(format!("/proc/self/fd/{}", self.0.as_raw_fd())).ok()
        }
        #[cfg(target_vendor = "apple")]
        {
            let path = fs::getpath(&self.0).ok()?;
            Some(OsStr::from_bytes(path.to_bytes()).into())
        }
        #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
        None
    }

    fn stat(&self, name: &OsStr, links: Links) -> io::Result<Option<Stat>> {
        let flags = match links {
            Links::Follow => AtFlags::empty(),
            Links::Refuse => AtFlags::SYMLINK_NOFOLLOW,
        };
        match fs::statat(&self.0, name, flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns true if `error` says that the file system cannot lock files.
pub(crate) fn cannot_lock(error: &io::Error) -> bool {
    let unsupported = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP];
    error.kind() == io::ErrorKind::Unsupported
        || Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}

/// Renames a folder to a name that nothing has.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match fs::renameat_with(fs::CWD, from, fs::CWD, to, fs::RenameFlags::NOREPLACE) {
        // Not all file systems can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        result => return Ok(result?),
    }
    // Only one process can create the folder, and only an empty folder can be replaced.
    std::fs::create_dir(to)?;
    std::fs::rename(from, to)
}

fn no_follow(links: Links) -> OFlags {
    match links {
        Links::Follow => OFlags::empty(),
        Links::Refuse => OFlags::NOFOLLOW,
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
