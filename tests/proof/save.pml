/* SPDX-License-Identifier: MIT */
/*
 * A model of how a guest is paused, saved and resumed (vmm/machine/run.c and serve.c,
 * vmm/snapshot/save.c and passes.c), for Spin: two vCPU threads, the worker of a disk, the event
 * loop, a debugger that holds the guest once, and a user who asks for saves and at last ends the run.
 * tests/system/proof.t runs it.
 *
 * Proved: nothing writes RAM while the guest's state is taken; the file then has RAM as it is;
 * nobody waits for ever, and no request is forgotten. Memory is sequentially consistent here: what
 * the program does for CPUs on which it is not is not in the model. A futex is a condition that is
 * waited for.
 */
#define CPUS 2
#define REQUESTS 1 /* of the user */
#define STEPS (2 - me) /* what a CPU does before it sleeps in the guest */

/* struct run */
bool pause_asked, paused, over; /* of the entry gate */
bool immediate_exit[CPUS], waits[CPUS];
byte running = CPUS;
bool wake; /* the event loop's eventfd */

/* Memory is one page, which holds a bit that each write changes. */
bool ram, file, log, marked;
bool logging, marking, taking;

bool job; /* a request of the disk is under way */

/* struct save */
mtype = { idle, passes, taken };
mtype phase = idle;
bool soon, now, timer;
bool saves;

inline ask_pause()
{
	atomic { pause_asked = true; wake = true }
}

inline write_ram(is_cpu)
{
	atomic {
		assert(!taking);
		ram = !ram;
		if
		:: is_cpu && logging -> log = true
		:: else
		fi
	}
}

/* ---- a vCPU's thread: run_vcpu ---- */

proctype vcpu(byte me)
{
	byte steps = 0;

outer:	/* run_wait_if_paused */
	immediate_exit[me] = false;
	if
	:: (pause_asked || paused) && !over ->
		atomic { waits[me] = true; running-- };
		!waits[me];
		goto outer
	:: else
	fi;
	if
	:: over -> goto finished
	:: else
	fi;
enter:	if /* run_may_enter */
	:: over -> goto outer
	:: pause_asked || paused -> immediate_exit[me] = true
	:: else
	fi;
guest:	if /* KVM_RUN */
	:: immediate_exit[me] -> goto outer
	:: !immediate_exit[me] && steps < STEPS ->
		steps++;
		if
		:: write_ram(true); goto guest
		:: me == 0 && !job -> job = true; goto enter /* a request, an exit */
		:: me == 0 -> now = true; ask_pause(); goto enter /* the guest asks */
		fi
	fi;
finished:
	running--
}

/* ---- the worker ---- */

proctype worker()
{
end:	do
	:: job ->
		write_ram(false);
		if /* dma_written */
		:: marking -> marked = true
		:: else
		fi;
		job = false;
		if
		:: pause_asked || paused -> wake = true
		:: else
		fi
	od
}

/* ---- the event loop ---- */

bool settled;

/* Its bits are cleared before it is read. */
inline write_page()
{
	atomic { marked = false; log = false };
	file = ram
}

inline begin()
{
	marking = true;
	atomic { logging = true; phase = passes }
}

/* In a pause, with the disk idle. */
inline take()
{
	taking = true;
	if /* without a pass before it all is written */
	:: log || marked || !written -> write_page()
	:: else
	fi;
	assert(file == ram);
	taking = false;
	phase = taken
}

inline complete()
{
	atomic { logging = false; marking = false; written = false; phase = idle; saves = 1 }
}

/* save_at_pause; `settled` is false if the pause has to go on. */
inline at_pause()
{
	settled = true;
	if
	:: phase == taken && (soon || now) -> complete()
	:: else
	fi;
	if
	:: over
	:: !over && now ->
		settled = !job;
		if
		:: settled -> soon = false; now = false; take()
		:: else
		fi
	:: !over && !now && soon && phase == idle -> begin()
	:: else
	fi;
	timer = timer || phase != idle
}

inline kick()
{
	atomic { immediate_exit[0] = true; immediate_exit[1] = true }
}

/* run_resume: those that wait take part in the run again. */
inline resume()
{
	atomic { running = running + waits[0] + waits[1]; paused = false };
	waits[0] = false;
	waits[1] = false
}

/* The timer's: a pass, of which another may follow, or the end of a save. */
inline work()
{
	if
	:: phase == passes && !now ->
		write_page();
		written = true;
		if
		:: timer = true
		:: now = true; ask_pause()
		fi
	:: phase == taken -> complete()
	:: else
	fi
}

proctype loop()
{
	bool written = false, holds = false, has_held = false;

	do
	:: over -> break
	:: else ->
		if
		:: pause_asked || paused ->
			if
			:: !paused -> paused = true; kick()
			:: else
			fi;
			running == 0;
			pause_asked = false;
			at_pause();
			if
			:: settled && !holds -> resume()
			:: settled && !has_held -> holds = true; has_held = true
			:: else
			fi
		:: else
		fi;
		wake || timer || holds;
		wake = false;
		if
		:: timer && !over -> timer = false; work()
		:: else
		fi;
		if /* the debugger: continue */
		:: holds -> holds = false; resume()
		:: else
		fi
	od;
	/* run_finish */
	kick();
	running == 0;
	resume();
	running == 0;
	if
	:: phase == taken -> complete()
	:: else
	fi
}

/* ---- the user: asks, and ends the run when nothing goes on any more ---- */

init
{
	byte asked = 0;

	atomic { run vcpu(0); run vcpu(1); run worker(); run loop() };
	do
	:: asked < REQUESTS -> asked++; soon = true; ask_pause()
	:: timeout ->
		assert(!soon && !now && phase == idle);
		assert(saves > 0 || asked == 0);
		break
	od;
	over = true;
	wake = true
}
