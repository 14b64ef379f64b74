// SPDX-License-Identifier: MIT
/*
 * Keeps a VM of KVM's until it is killed. The kernel patches its scheduler when the first VM comes
 * and when the last one goes (preempt_notifier_key). QEMU 7.2 may then go on with the old
 * code, if another CPU translates it at that moment: threads of vCPUs are switched without their
 * registers. With a VM that stays, nothing is patched when nestling starts and ends.
 *
 * Who runs it: rootfs/test-init, in hosts with several CPUs.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR);

	if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		return 1;
	for (;;)
		pause();
}
