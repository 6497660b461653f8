;; WASI preview 1 for Go's runtime, with nothing behind it: all of it happens inside the component, which imports no WASI.
;;
;; The same as the gateway's stand-ins for WASI 0.2 (host/guests/src/wasi): no variables, no arguments, no files, no
;; sockets, an input that has ended, an output that becomes debug lines of the plugin's log. Random numbers are a fixed
;; sequence. Time stands still at 1970, and who sleeps is awake at once, that much later.
;;
;; Why not the usual adapter: Go's collector asks for the time while the gateway hands over an argument, and there a
;; component may not call out of itself; and that adapter takes memory behind the back of Go's allocator, which believes
;; that all new memory follows its own.
(module
  (import "weir:plugin/host-log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "env" "memory" (memory 0))

  ;; Nanoseconds since 1970.
  (global $now (mut i64) (i64.const 0))
  ;; State of splitmix64.
  (global $seed (mut i64) (i64.const 0))
  ;; Bytes of the line that is being written. It lies at 2048 to 4095: Go puts nothing below 4096, so that nil is no address.
  (global $line (mut i64) (i64.const 0))

  ;; What is answered: 0 success, 8 no such file open, 44 no such path, 52 not offered.

  (func $none_of_two (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none_of_two))
  (export "environ_sizes_get" (func $none_of_two))
  (func $nothing_of_two (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing_of_two))
  (export "environ_get" (func $nothing_of_two))

  (func (export "clock_res_get") (param $clock i32) (param $out i32) (result i32)
    (i64.store (local.get $out) (i64.const 1))
    (i32.const 0))
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $out i32) (result i32)
    ;; Of the monotonic clock Go takes 0 for broken.
    (i64.store (local.get $out) (i64.add (global.get $now) (i64.extend_i32_u (i32.ne (local.get $clock) (i32.const 0)))))
    (i32.const 0))

  (func (export "random_get") (param $to i32) (param $length i32) (result i32)
    (local $mixed i64) (local $left i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $length)))
        (if (i32.eqz (local.get $left))
          (then
            (global.set $seed (i64.add (global.get $seed) (i64.const 0x9e3779b97f4a7c15)))
            (local.set $mixed (global.get $seed))
            (local.set $mixed (i64.mul (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 30)))
                                       (i64.const 0xbf58476d1ce4e5b9)))
            (local.set $mixed (i64.mul (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 27)))
                                       (i64.const 0x94d049bb133111eb)))
            (local.set $mixed (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 31))))
            (local.set $left (i32.const 8))))
        (i64.store8 (local.get $to) (local.get $mixed))
        (local.set $mixed (i64.shr_u (local.get $mixed) (i64.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $more)))
    (i32.const 0))

  ;; Gives the line to the log, if there is one.
  (func $end_line
    (if (i64.ne (global.get $line) (i64.const 0))
      (then
        (call $log (i32.const 1) (i32.const 2048) (i32.wrap_i64 (global.get $line)))
        (global.set $line (i64.const 0)))))

  ;; The log takes UTF-8 only, and a byte on its own may be none: what is not ASCII is written as `?`.
  (func $put (param $byte i32)
    (if (i32.eq (local.get $byte) (i32.const 10))
      (then (call $end_line) (return)))
    (i32.store8 (i32.add (i32.const 2048) (i32.wrap_i64 (global.get $line)))
      (select (local.get $byte) (i32.const 63) (i32.lt_u (local.get $byte) (i32.const 128))))
    (global.set $line (i64.add (global.get $line) (i64.const 1)))
    (if (i64.eq (global.get $line) (i64.const 1024))
      (then (call $end_line))))

  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32) (param $written i32) (result i32)
    (local $at i32) (local $stop i32) (local $all i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1))
      (then (return (i32.const 8))))
    (block $done
      (loop $part
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $at (i32.load (local.get $parts)))
        (local.set $stop (i32.add (local.get $at) (i32.load offset=4 (local.get $parts))))
        (local.set $all (i32.add (local.get $all) (i32.load offset=4 (local.get $parts))))
        (block $whole
          (loop $byte
            (br_if $whole (i32.ge_u (local.get $at) (local.get $stop)))
            (call $put (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $byte)))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $part)))
    (i32.store (local.get $written) (local.get $all))
    (i32.const 0))

  ;; The input has ended.
  (func (export "fd_read") (param $fd i32) (param $parts i32) (param $count i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; Whatever is waited for is there: a moment has come (the clock goes there), a file is none.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $kind i32) (local $then i64) (local $latest i64)
    (i32.store (local.get $events) (local.get $count))
    (local.set $latest (global.get $now))
    (block $done
      (loop $each
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $kind (i32.load8_u offset=8 (local.get $in)))
        (i64.store (local.get $out) (i64.load (local.get $in)))
        (i64.store offset=8 (local.get $out) (i64.const 0))
        (i64.store offset=16 (local.get $out) (i64.const 0))
        (i64.store offset=24 (local.get $out) (i64.const 0))
        (i32.store8 offset=10 (local.get $out) (local.get $kind))
        (if (local.get $kind)
          (then (i32.store16 offset=8 (local.get $out) (i32.const 8)))
          (else
            (local.set $then (i64.load offset=24 (local.get $in)))
            (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1)))
              (then (local.set $then (i64.add (local.get $then) (global.get $now)))))
            (if (i64.gt_u (local.get $then) (local.get $latest))
              (then (local.set $latest (local.get $then))))))
        (local.set $in (i32.add (local.get $in) (i32.const 48)))
        (local.set $out (i32.add (local.get $out) (i32.const 32)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each)))
    (global.set $now (local.get $latest))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))
  ;; Leaving stops the plugin: the operation is refused.
  (func (export "proc_exit") (param i32) (call $end_line) (unreachable))
  (func (export "proc_raise") (param i32) (result i32) (unreachable))

  ;; No file is open but the three, and these are no files.
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func $of_one (param i32) (result i32) (i32.const 8))
  (export "fd_close" (func $of_one))
  (export "fd_datasync" (func $of_one))
  (export "fd_sync" (func $of_one))
  (func $of_two (param i32 i32) (result i32) (i32.const 8))
  (export "fd_fdstat_get" (func $of_two))
  (export "fd_fdstat_set_flags" (func $of_two))
  (export "fd_filestat_get" (func $of_two))
  (export "fd_prestat_get" (func $of_two))
  (export "fd_renumber" (func $of_two))
  (export "fd_tell" (func $of_two))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))

  ;; No path leads anywhere.
  (func $path_of_three (param i32 i32 i32) (result i32) (i32.const 44))
  (export "path_create_directory" (func $path_of_three))
  (export "path_remove_directory" (func $path_of_three))
  (export "path_unlink_file" (func $path_of_three))
  (func $path_of_five (param i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (export "path_filestat_get" (func $path_of_five))
  (export "path_symlink" (func $path_of_five))
  (func $path_of_six (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (export "path_readlink" (func $path_of_six))
  (export "path_rename" (func $path_of_six))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 44))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 44))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 44))

  ;; No sockets.
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52))
)
