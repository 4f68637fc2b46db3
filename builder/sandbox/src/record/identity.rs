//! Who a thread is, and becomes: the rules of credentials(7), on numbers
//! alone.
//!
//! Of capabilities it knows what those of root come to: all at first, and less
//! where somebody gives them up. What files and securebits(7) give is not known
//! here.

use rustix::io::Errno;

use super::owner::Owner;

/// How many further groups a thread can have.
pub(super) const GROUPS_LIMIT: usize = 65_536;

/// The last capability that there is: `CAP_CHECKPOINT_RESTORE`.
const LAST_CAPABILITY: u32 = 40;

/// Is what a call has for "as it is".
pub(super) const KEPT: u32 = u32::MAX;

/// Is who a thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its users.
    pub(super) user: Numbers,
    /// Its groups.
    pub(super) group: Numbers,
    /// Its further groups, in order.
    pub(super) groups: Vec<u32>,
    /// What it may have in effect, a bit for each capability.
    pub(super) permitted: u64,
    /// What it has in effect.
    pub(super) effective: u64,
    /// Whether it keeps what it may have, when it is root no more
    /// (`PR_SET_KEEPCAPS`).
    pub(super) keeps: bool,
}

/// The capabilities that are asked for here (linux/capability.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capability {
    /// To change owners.
    Chown = 0,
    /// To read and write whatever the permissions (`CAP_DAC_OVERRIDE`).
    Override = 1,
    /// To become another group.
    Setgid = 6,
    /// To become another user.
    Setuid = 7,
    /// To make devices.
    Mknod = 27,
}

/// Is the numbers that a thread has of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) real: u32,
    pub(super) effective: u32,
    pub(super) saved: u32,
    /// The one that files know.
    pub(super) files: u32,
}

impl Identity {
    /// Gives the one of a user that has one number of each kind.
    pub(super) fn new(owner: Owner, mut groups: Vec<u32>) -> Self {
        groups.sort_unstable();
        let all = if owner.user == 0 { u64::MAX } else { 0 };
        Self {
            user: Numbers::new(owner.user),
            group: Numbers::new(owner.group),
            groups,
            permitted: all,
            effective: all,
            keeps: false,
        }
    }

    /// Says whether it has a capability in effect.
    pub(super) fn has(&self, capability: Capability) -> bool {
        self.effective & 1 << capability as u32 != 0
    }

    /// Gives up what whoever is no longer root does not have, or takes it
    /// again; `before` is who it was.
    pub(super) fn follow(&mut self, before: &Self) {
        let any = |user: Numbers| user.real == 0 || user.effective == 0 || user.saved == 0;
        if any(before.user) && !any(self.user) && !self.keeps {
            self.permitted = 0;
            self.effective = 0;
        }
        if before.user.effective == 0 && self.user.effective != 0 {
            self.effective = 0;
        } else if before.user.effective != 0 && self.user.effective == 0 {
            self.effective = self.permitted;
        }
    }

    /// Becomes who runs a program that was started.
    pub(super) fn start(&mut self) {
        let root = self.user.real == 0 || self.user.effective == 0;
        self.permitted = if root { u64::MAX } else { 0 };
        self.effective = if self.user.effective == 0 {
            u64::MAX
        } else {
            0
        };
        self.keeps = false;
        self.user.take(self.user.effective);
        self.group.take(self.group.effective);
    }

    /// Does capset(2).
    ///
    /// # Errors
    ///
    /// Fails with `PERM` where it asks for more than it may have.
    pub(super) fn set_capabilities(&mut self, permitted: u64, effective: u64) -> Result<(), Errno> {
        // It names those alone that the kernel has.
        let known = u64::MAX >> (63 - LAST_CAPABILITY);
        if permitted & known & !self.permitted != 0 || effective & !permitted != 0 {
            return Err(Errno::PERM);
        }
        // All is all, also of what the kernel does not name.
        self.permitted = permitted | (self.permitted & !known);
        self.effective = effective | (self.permitted & !known);
        Ok(())
    }

    /// Gives whose the files are that it makes.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            user: self.user.files,
            group: self.group.files,
        }
    }

    /// Says whether it may give a file from one owner to another.
    pub(super) fn may_change(&self, from: Owner, to: Owner) -> bool {
        let member = |group| group == self.group.files || self.groups.contains(&group);
        // setfsuid(2) takes the ones about files along.
        let may = self.user.files == 0 || self.user.effective != 0;
        may && self.has(Capability::Chown)
            || from.user == self.user.files
                && to.user == from.user
                && (to.group == from.group || member(to.group))
    }

    /// Gives it other further groups.
    ///
    /// # Errors
    ///
    /// Fails with `PERM` where it may not.
    pub(super) fn set_groups(&mut self, mut groups: Vec<u32>) -> Result<(), Errno> {
        if !self.has(Capability::Setgid) {
            return Err(Errno::PERM);
        }
        groups.sort_unstable();
        self.groups = groups;
        Ok(())
    }
}

impl Numbers {
    /// Gives those of one number.
    pub(super) fn new(number: u32) -> Self {
        Self {
            real: number,
            effective: number,
            saved: number,
            files: number,
        }
    }

    /// Does setuid(2).
    ///
    /// # Errors
    ///
    /// Fails with `PERM` where that is not allowed.
    pub(super) fn set(&mut self, number: u32, privileged: bool) -> Result<(), Errno> {
        if number == KEPT {
            return Err(Errno::INVAL);
        }
        if privileged {
            *self = Self::new(number);
        } else if number == self.real || number == self.saved {
            self.effective = number;
            self.files = number;
        } else {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// Does setreuid(2).
    ///
    /// # Errors
    ///
    /// Fails with `PERM` where that is not allowed.
    pub(super) fn set_two(
        &mut self,
        real: u32,
        effective: u32,
        privileged: bool,
    ) -> Result<(), Errno> {
        let before = *self;
        let known = [KEPT, before.real, before.effective];
        if !privileged
            && !(known.contains(&real) && (known.contains(&effective) || effective == before.saved))
        {
            return Err(Errno::PERM);
        }
        if real != KEPT {
            self.real = real;
        }
        if effective != KEPT {
            self.effective = effective;
        }
        if real != KEPT || (effective != KEPT && effective != before.real) {
            self.saved = self.effective;
        }
        self.files = self.effective;
        Ok(())
    }

    /// Does setresuid(2): the real one, the effective one and the saved one.
    ///
    /// # Errors
    ///
    /// Fails with `PERM` where that is not allowed.
    pub(super) fn set_three(&mut self, numbers: [u32; 3], privileged: bool) -> Result<(), Errno> {
        let known = [KEPT, self.real, self.effective, self.saved];
        if !privileged && !numbers.iter().all(|number| known.contains(number)) {
            return Err(Errno::PERM);
        }
        let [real, effective, saved] = numbers;
        for (number, place) in [
            (real, &mut self.real),
            (effective, &mut self.effective),
            (saved, &mut self.saved),
        ] {
            if number != KEPT {
                *place = number;
            }
        }
        self.files = self.effective;
        Ok(())
    }

    /// Does setfsuid(2), which gives the number before and never fails.
    pub(super) fn set_files(&mut self, number: u32, privileged: bool) -> u32 {
        let before = self.files;
        let known = [self.real, self.effective, self.saved, self.files];
        if number != KEPT && (privileged || known.contains(&number)) {
            self.files = number;
        }
        before
    }

    /// Becomes what a program is that has a number of its own.
    pub(super) fn take(&mut self, number: u32) {
        self.effective = number;
        self.saved = number;
        self.files = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_gave_privilege_up_does_not_get_it_back() {
        let mut user = Numbers::new(0);
        user.set(1000, true).unwrap();
        assert_eq!(user.set(0, false), Err(Errno::PERM));
        assert_eq!(user.set_two(KEPT, 0, false), Err(Errno::PERM));
        assert_eq!(user.set_three([KEPT, 0, KEPT], false), Err(Errno::PERM));
        assert_eq!(user.set_files(0, false), 1000);
        assert_eq!(user, Numbers::new(1000));
    }

    #[test]
    fn a_saved_number_comes_back() {
        let mut user = Numbers::new(0);
        user.set_three([KEPT, 1000, KEPT], true).unwrap();
        assert_eq!((user.effective, user.files, user.saved), (1000, 1000, 0));
        user.set(0, false).unwrap();
        assert_eq!(user, Numbers::new(0));
        // As the kernel does it: a real one that is set takes the saved one
        // along.
        user.set_two(5, 6, true).unwrap();
        assert_eq!((user.real, user.effective, user.saved), (5, 6, 6));
    }

    #[test]
    fn owners_give_files_to_their_groups_alone() {
        let app = Identity::new(Owner { user: 7, group: 8 }, vec![9]);
        let own = Owner { user: 7, group: 8 };
        assert!(app.may_change(own, Owner { user: 7, group: 9 }));
        assert!(!app.may_change(own, Owner { user: 7, group: 0 }));
        assert!(!app.may_change(own, Owner { user: 0, group: 8 }));
        assert!(!app.may_change(Owner::ROOT, Owner { user: 0, group: 8 }));
        assert!(Identity::new(Owner::ROOT, Vec::new()).may_change(own, Owner::ROOT));
    }
}
