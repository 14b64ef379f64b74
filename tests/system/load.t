#!/bin/bash
# SPDX-License-Identifier: MIT
# Payloads of every format, valid and broken in every way.
. "$(dirname "$0")/tap.sh"

mkdir "$work/made"
tests/system/make-payloads.pl "$work/made" build/payloads/hello.bin >"$work/made.list"
report $? 'payloads are made'
tar -c -C "$work/made" -f "$work/made.tar" .
HOST_CPU=cortex-a57 try_cases load-cases.sh '' "$work/made.tar" "$work/made.list" build/payloads/place-0x*.elf

plan
