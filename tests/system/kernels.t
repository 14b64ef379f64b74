#!/bin/bash
# SPDX-License-Identifier: MIT
# Hosts with newer kernels, one of them with pages of 16 KiB: kernels-cases.sh on each, with one kind of interrupt
# controller on one CPU, and with the other on four, where the guest's run at the same time.
. "$(dirname "$0")/tap.sh"

[ -f build/hosts/.complete ] || {
	skip 'newer kernels' "Debian's packages could not be fetched"
	plan
	exit
}

# on KERNEL GIC CPUS
on() {
	KERNEL=$1 HOST_CPU=$(cpu_for "$1") HOST_GIC=$2 HOST_SMP=$3 \
		try_cases kernels-cases.sh "${1#build/hosts/}, pages of $(page_size "$1") KiB, GICv$2, $3 CPUs: "
}

sizes='' gic=2
for kernel in "${newer_kernels[@]}"; do
	on "$kernel" $gic 1
	gic=$((5 - gic)) # the other one
	on "$kernel" $gic 4
	sizes+=$(page_size "$kernel")$'\n'
done
is 'there were pages of 4 KiB and of 16' "$(sort -nu <<<"${sizes%?}")" $'4\n16'

plan
