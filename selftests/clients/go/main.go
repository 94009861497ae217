// SPDX-License-Identifier: GPL-2.0

// Watches with Go's libraries, as they are packaged, the paths in its
// arguments:
//
//	watch-go LIBRARY PATH...
//
// It prints "ready" once it watches, "end PATH" each time the library reports
// the end of PATH, and on SIGUSR1 "goroutines N".
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/fsnotify/fsnotify"
	"github.com/snapcore/snapd/sandbox/cgroup"
)

const cgroupRoot = "/sys/fs/cgroup"

var output sync.Mutex

func say(words ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(words...)
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "watch-go: %s: %v\n", what, err)
	os.Exit(1)
}

// containerd's shim: one Manager and one channel for each cgroup. It is told of
// the end when the channel of errors is closed.
func eventchan(paths []string) {
	for _, path := range paths {
		group := strings.TrimPrefix(filepath.Dir(path), cgroupRoot)
		manager, err := cgroup2.Load(group)
		if err != nil {
			fail(path, err)
		}
		events, errs := manager.EventChan()
		go func() {
			for {
				select {
				case <-events:
				case err, open := <-errs:
					if !open {
						say("end", path)
						return
					}
					fmt.Fprintln(os.Stderr, "watch-go:", path, err)
				}
			}
		}()
	}
	await(paths)
	say("ready")
}

// The library adds its watches in goroutines of its own.
func await(paths []string) {
	for watches() < 2*len(paths) {
		runtime.Gosched()
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 20000})
	}
}

func watches() (count int) {
	files, _ := filepath.Glob("/proc/self/fdinfo/*")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		count += strings.Count(string(text), "inotify wd:")
	}
	return count
}

func fsnotifyLibrary(paths []string) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		fail("NewWatcher", err)
	}
	for _, path := range paths {
		if err := watcher.Add(path); err != nil {
			fail(path, err)
		}
	}
	go func() {
		for {
			select {
			case event := <-watcher.Events:
				if event.Has(fsnotify.Remove) {
					say("end", event.Name)
				}
			case err := <-watcher.Errors:
				fmt.Fprintln(os.Stderr, "watch-go:", err)
			}
		}
	}()
	say("ready")
}

// snapd: its own code, which has one watch on the parent of all that it
// monitors. Cgroups are found by the name that systemd gives them for a snap,
// snap.NAME.APP.service.
func snapd(paths []string) {
	ended := make(chan string)
	byName := map[string]string{}
	for _, path := range paths {
		name := strings.Split(filepath.Base(path), ".")[1]
		byName[name] = path
		if err := cgroup.MonitorSnapEnded(name, ended); err != nil {
			fail(path, err)
		}
	}
	go func() {
		for name := range ended {
			say("end", byName[name])
		}
	}()
	say("ready")
}

func main() {
	libraries := map[string]func([]string){
		"eventchan": eventchan, "fsnotify": fsnotifyLibrary, "snapd": snapd,
	}
	if len(os.Args) < 3 || libraries[os.Args[1]] == nil {
		fail("usage", fmt.Errorf("watch-go eventchan|fsnotify|snapd PATH..."))
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	libraries[os.Args[1]](os.Args[2:])
	for range asked {
		say("goroutines", runtime.NumGoroutine())
	}
}
