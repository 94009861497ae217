// SPDX-License-Identifier: GPL-2.0

// cadvisor's watcher of containers, its own code: it follows all cgroups, those
// in the arguments among them.
//
// It prints "ready" once it watches, "end PATH" for each that it reports as
// deleted, and on SIGUSR1 "goroutines N".
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/google/cadvisor/container/raw"
	"github.com/google/cadvisor/watcher"
)

const cgroupRoot = "/sys/fs/cgroup"

func start(events chan watcher.ContainerEvent) error {
	containers, err := raw.NewRawContainerWatcher()
	if err != nil {
		return err
	}
	return containers.Start(events)
}

func main() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	events := make(chan watcher.ContainerEvent)
	if err := start(events); err != nil {
		fmt.Fprintln(os.Stderr, "watch-go-cadvisor:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	for {
		select {
		case event := <-events:
			if event.EventType == watcher.ContainerDelete {
				fmt.Println("end", cgroupRoot+event.Name)
			}
		case <-asked:
			fmt.Println("goroutines", runtime.NumGoroutine())
		}
	}
}
