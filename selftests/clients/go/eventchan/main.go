// SPDX-License-Identifier: GPL-2.0

// eventchan has containerd/cgroups' Manager.EventChan() watch cgroups that
// come and go, as containerd does for each container, and tells how many of
// the watchers end and what the others leave behind.
//
//	eventchan COUNT VARIANT
//
// VARIANT is what the cgroup sees before it goes: "process" (one runs in it
// and is killed), "empty" (none ever did), "reclaimed" (the same, after memory
// reclaim dropped its dentries), "controller" (memory.events goes first, by
// cgroup.subtree_control).
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/cgroups/cgroup2"
)

const (
	mountpoint = "/sys/fs/cgroup"
	top        = "/rkernfs-eventchan"
	// How long a watcher has to end after the last removal.
	patience = 5 * time.Second
)

var ended atomic.Int64

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func write(file, text string) {
	check(os.WriteFile(file, []byte(text), 0))
}

// watch counts a watcher as ended when the library closes its error channel.
func watch(manager *cgroup2.Manager) {
	events, errs := manager.EventChan()
	go func() {
		for {
			select {
			case <-events:
			case <-errs:
				ended.Add(1)
				return
			}
		}
	}()
}

func inotifyDescriptors() (n int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if to, _ := os.Readlink(link); to == "anon_inode:inotify" {
			n++
		}
	}
	return
}

// The library's goroutines, not those here that listen to them.
func libraryGoroutines() int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "created by github.com/containerd/cgroups/cgroup2.")
}

func removeCgroup(dir string) {
	for i := 0; ; i++ {
		err := os.Remove(dir)
		if err == nil {
			return
		}
		// A killed process leaves a moment after it was waited for.
		if i == 500 {
			check(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// live makes a cgroup, has it watched and removes it.
func live(number int, variant string) {
	parent := filepath.Join(top, strconv.Itoa(number))
	parentDir := filepath.Join(mountpoint, parent)
	check(os.Mkdir(parentDir, 0o755))
	write(filepath.Join(parentDir, "cgroup.subtree_control"), "+memory")
	group := filepath.Join(parent, "job")
	dir := filepath.Join(mountpoint, group)
	manager, err := cgroup2.NewManager(mountpoint, group, &cgroup2.Resources{})
	check(err)

	var process *exec.Cmd
	if variant == "process" {
		process = exec.Command("sleep", "1000")
		check(process.Start())
		write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(process.Process.Pid))
	}
	watch(manager)
	time.Sleep(2 * time.Millisecond)

	switch variant {
	case "process":
		check(process.Process.Kill())
		process.Wait()
	case "reclaimed":
		for i := 0; i < 6; i++ {
			write("/proc/sys/vm/drop_caches", "2")
		}
	case "controller":
		write(filepath.Join(parentDir, "cgroup.subtree_control"), "-memory")
	}
	removeCgroup(dir)
	removeCgroup(parentDir)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Println("usage: eventchan COUNT process|empty|reclaimed|controller")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[1])
	check(err)
	check(os.MkdirAll(mountpoint+top, 0o755))
	write(mountpoint+"/cgroup.subtree_control", "+memory")
	write(mountpoint+top+"/cgroup.subtree_control", "+memory")

	for i := 0; i < count; i++ {
		live(i, os.Args[2])
		if (i+1)%(count/20+1) == 0 || i+1 == count {
			fmt.Println("sample", i+1, inotifyDescriptors())
		}
	}
	for began := time.Now(); ended.Load() < int64(count) && time.Since(began) < patience; {
		time.Sleep(10 * time.Millisecond)
	}
	removeCgroup(mountpoint + top)
	fmt.Println("result removed", count)
	fmt.Println("result told", ended.Load())
	fmt.Println("result left_fds", inotifyDescriptors())
	fmt.Println("result left_threads", libraryGoroutines())
}
