/*
 * apparmor.c: a kernel with AppArmor, as far as libvirt asks it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test on a machine without AppArmor: QEMU starts as if the kernel had
 * put it under the profile.  Nothing is enforced.
 */

int
aa_change_profile(const char *profile);

int
aa_change_profile(const char *profile)
{
    return profile ? 0 : -1;
}
