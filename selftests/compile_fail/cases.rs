// SPDX-License-Identifier: GPL-2.0

//! Code that must not compile: what the types of the removal path promise.
//!
//! A module of `src/removal` where `cfg(compile_fail)` is set, as `test.sh` does. Below each case
//! stands what the compiler must say. `control` compiles, so that the others fail for the reason
//! named.

#![allow(dead_code, unused_imports)]

use super::{
    inode::{Inode, LockedInode},
    locks::{Iattr, Tree},
    member::Member,
    supers::Supers,
};
use crate::{
    compat::ARef,
    kernfs::{Active, Dir, DirOperations, File, FileOperations},
    node::Node,
};

fn sent_to_another_task<T: Send>() {}

#[cfg(case = "control")]
fn control(node: &Node, inode: &LockedInode<'_>) {
    sent_to_another_task::<ARef<Node>>();
    Tree::lock(node, |tree, member| {
        member.set_removing(&tree);
        inode.clear_nlink(&tree.iattr());
        let tree = tree.unlocked(|| ());
        member.touch(&tree.iattr());
    });
}

#[cfg(case = "clear_nlink_without_iattr_rwsem")]
// error[E0308]: mismatched types
fn clear_nlink_without_iattr_rwsem(node: &Node, inode: &LockedInode<'_>) {
    Tree::lock(node, |tree, _| inode.clear_nlink(&tree));
}

#[cfg(case = "clear_nlink_without_i_lock")]
// error[E0599]: no method named `clear_nlink` found
fn clear_nlink_without_i_lock(node: &Node, inode: &Inode<'_>) {
    Tree::lock(node, |tree, _| inode.clear_nlink(&tree.iattr()));
}

#[cfg(case = "iattr_rwsem_without_tree")]
// error[E0599]: no method named `iattr` found
fn iattr_rwsem_without_tree(node: &Node) {
    Supers::lock(node.root()).iattr();
}

#[cfg(case = "node_of_another_hierarchy")]
// error[E0521]: borrowed data escapes outside of closure
fn node_of_another_hierarchy(one: &'static Node, other: &'static Node) {
    Tree::lock(one, |tree, _| {
        Tree::lock(other, |_tree, member| member.set_removing(&tree));
    });
}

#[cfg(case = "node_that_is_not_a_member")]
// error[E0599]: no method named `set_removing` found
fn node_that_is_not_a_member(node: &Node) {
    Tree::lock(node, |tree, _| node.set_removing(&tree));
}

#[cfg(case = "iattr_rwsem_across_a_drain")]
// error[E0505]: cannot move out of `tree` because it is borrowed
fn iattr_rwsem_across_a_drain(node: &Node) {
    Tree::lock(node, |tree, member| {
        let iattr = tree.iattr();
        let _tree = tree.unlocked(|| {
            member.wait_drained();
        });
        member.touch(&iattr);
    });
}

#[cfg(case = "tree_across_a_drain")]
// error[E0382]: borrow of moved value: `tree`
fn tree_across_a_drain(node: &Node) {
    Tree::lock(node, |tree, member| {
        let _tree = tree.unlocked(|| {
            member.wait_drained();
        });
        member.set_removing(&tree);
    });
}

#[cfg(case = "child_across_a_drain")]
// error[E0505]: cannot move out of `tree` because it is borrowed
fn child_across_a_drain(node: &Node) {
    Tree::lock(node, |tree, member| {
        let child = member.leftmost_descendant(&tree);
        let tree = tree.unlocked(|| ());
        child.set_removing(&tree);
    });
}

#[cfg(case = "tree_out_of_its_scope")]
// error: lifetime may not live long enough
fn tree_out_of_its_scope(node: &Node) {
    drop(Tree::lock(node, |tree, _| tree));
}

#[cfg(case = "supers_in_another_task")]
// error[E0277]: `*mut ()` cannot be sent between threads safely
fn supers_in_another_task() {
    sent_to_another_task::<Supers<'static>>();
}

#[cfg(case = "tree_in_another_task")]
// error[E0277]: `*mut ()` cannot be sent between threads safely
fn tree_in_another_task() {
    sent_to_another_task::<Tree<'static>>();
}

#[cfg(case = "root_without_its_node")]
// error[E0505]: cannot move out of `node` because it is borrowed
fn root_without_its_node(node: ARef<Node>) {
    let root = node.root();
    drop(node);
    Supers::lock(root);
}

#[cfg(case = "directory_of_an_operation_removed_as_it_is")]
// error[E0308]: mismatched types
fn directory_of_an_operation_removed_as_it_is<T: DirOperations>(dir: Active<'_, Dir<T>>) {
    let _ = Dir::remove(&*dir);
}

#[cfg(case = "directory_of_an_operation_counted")]
// error[E0277]: the trait bound
fn directory_of_an_operation_counted<T: DirOperations>(dir: Active<'_, Dir<T>>) {
    let _: ARef<Dir<T>> = ARef::from(&*dir);
}

#[cfg(case = "directory_of_the_file_of_an_operation_removed")]
// error[E0308]: mismatched types
fn directory_of_the_file_of_an_operation_removed<F: FileOperations>(file: Active<'_, File<F>>) {
    let _ = Dir::remove(&*file.parent());
}

#[cfg(case = "directory_of_the_file_of_an_operation_counted")]
// error[E0277]: the trait bound
fn directory_of_the_file_of_an_operation_counted<F: FileOperations>(file: Active<'_, File<F>>) {
    let _ = ARef::from(&*file.parent());
}
