//! A full disk: the command reports it and names the file, existing files stay readable, and with room again the same command
//! ends with the same bytes.

use crate::runs::{self, Place, What};
use crate::table::Row;
use crate::{Job, Options};
use std::path::Path;
use std::process::{Command, Output};

/// Sizes of the disks in kibibytes.
const SIZES: [u32; 6] = [4, 16, 32, 64, 96, 128];
const SHORT: [u32; 2] = [4, 64];

/// Runs the command on a disk of `$SIZE` in its own mount namespace, copies the files, and runs the command again with room.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$SIZE" tmpfs "$OUT" || exit 90
"$@"; status=$?
cp -a "$OUT/." "$STARVED" || exit 91
mount -o remount,size=64m "$OUT" || exit 92
if [ $status -ne 0 ]; then "$@" || exit 93; fi
cp -a "$OUT/." "$ENDED" || exit 94
exit $status
"#;

/// Returns one job for each command that writes.
pub(crate) fn jobs(options: &Options) -> Vec<Job> {
    let sizes: &'static [u32] = if options.short { &SHORT } else { &SIZES };
    let jobs = What::ALL.map(|what| {
        Job::new(format!("disk full, {}", what.name()), move || {
            if let Err(reason) = can_mount() {
                return Row::skipped(reason);
            }
            let mut starved = 0;
            match starve(what, sizes, &mut starved) {
                Ok(()) if starved == 0 => Row::finding("no disk was too small"),
                Ok(()) => Row::of(starved, &[]).with_note("refused, then the same bytes"),
                Err(error) => Row {
                    executions: starved,
                    ..Row::finding(error)
                },
            }
        })
    });
    jobs.into()
}

/// Returns a command that runs a script in a mount namespace, as root of a user namespace.
fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command
}

fn can_mount() -> Result<(), String> {
    let tried = namespace().arg("mount -t tmpfs tmpfs /mnt").output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "no small disk can be mounted here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("needs unshare (util-linux): {error}")),
    }
}

fn starve(what: What, sizes: &[u32], starved: &mut u64) -> Result<(), String> {
    let place = Place::new(what)?;
    let expected = place.expected()?;
    for &size in sizes {
        let folders = ["starved", "ended"].map(|name| place.path(name));
        for folder in &folders {
            let _ = std::fs::remove_dir_all(folder);
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let [before, after] = &folders;
        let output = run(&place, size, before, after)?;
        let text = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(1) => {
                *starved += 1;
                if !text.contains("No space left") || !text.contains(&*place.out().to_string_lossy()) {
                    return Err(format!(
                        "{size} KiB: expected the name of the file without room, found: {text}"
                    ));
                }
            }
            code => return Err(format!("{size} KiB: ended with {code:?}: {text}")),
        }
        runs::readable(before).map_err(|error| format!("{size} KiB: {error}"))?;
        runs::compare(&runs::files(after)?, &expected).map_err(|error| format!("{size} KiB: {error}"))?;
        let left = runs::unfinished(after);
        if !left.is_empty() {
            return Err(format!("{size} KiB: left {}", left.join(", ")));
        }
    }
    Ok(())
}

fn run(place: &Place, size: u32, before: &Path, after: &Path) -> Result<Output, String> {
    let command = place.command();
    namespace()
        .args([SCRIPT, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env("SIZE", format!("{size}k"))
        .env("OUT", place.out())
        .env("STARVED", before)
        .env("ENDED", after)
        .output()
        .map_err(|error| error.to_string())
}
