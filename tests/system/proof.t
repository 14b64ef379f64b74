#!/bin/bash
# SPDX-License-Identifier: MIT
# Spin goes through all interleavings of a model of pausing, saving and resuming, and finds nothing; and it finds
# what is wrong with models that leave out a step.
. "$(dirname "$0")/tap.sh"
model=$PWD/tests/proof/save.pml
cd "$work" || exit 1

# search NAME PATTERN [SED-SCRIPT]: of the model, changed by the script, Spin prints this.
search() {
	sed "${3:-}" "$model" >save.pml
	if [ "${3:-}" ] && cmp -s "$model" save.pml; then
		report 1 "$1: the script changes something"
		return
	fi
	rm -f pan
	spin -a save.pml >output 2>&1 && gcc -O1 -DSAFETY -DCOLLAPSE -o pan pan.c >>output 2>&1 &&
		./pan -m100000 >>output 2>&1
	like "$1" "$(grep -a 'assertion violated\|invalid end\|errors: \|rror:\|truncated' output)" "$2"
}

search 'nothing writes while the state is taken, all is saved, nobody waits for ever' '^State-vector.* errors: 0$'
search 'a page is read before its bits are cleared' 'violated.*file==ram' \
	'/^	atomic { marked = false/d; s/^	file = ram$/	file = ram; marked = false; log = false/'
search 'a device does not mark what it writes' 'violated.*file==ram' 's/marking -> marked = true/false/'
search 'the guest is saved while the disk is at work' 'violated' 's/settled = !job/settled = true/'
search 'the worker does not wake who waits for it' 'violated.*soon' 's/:: pause_asked || paused -> wake = true/:: false/'
search 'a request at the end of a pause is forgotten' 'violated.*soon' 's/paused = false }/pause_asked = false; &/'

plan
