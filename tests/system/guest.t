#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest's machine, by payloads that each prove a claim about it: on every kind of host, and on hosts with four
# CPUs, where the guest's run at the same time. QUICK: on one kind.
. "$(dirname "$0")/tap.sh"

# on GIC CPU CPUS
on() {
	HOST_GIC=$1 HOST_CPU=$2 HOST_SMP=$3 try_cases guest-cases.sh "GICv$1, ${2%%,*}, $3 CPUs: "
}

on 2 cortex-a57 1
if [ -z "${QUICK-}" ]; then
	on 2 max,pauth-impdef=on 1
	on 3 cortex-a57 1
	on 3 max,pauth-impdef=on 1
	on 2 cortex-a57 4
	on 3 cortex-a57 4
fi

plan
