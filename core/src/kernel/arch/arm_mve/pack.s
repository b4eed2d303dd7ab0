@ Bytes into lines, 16 at a time.
@
@ In a line of bytes a value v is kept as the signed byte v - 128, which is v with its highest bit turned: VMLADAVA takes two
@ signed bytes or two unsigned ones, and weights have a sign. Filters' biases make up for it.

    .syntax unified
    .thumb

.macro begin name
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
.endm

@ 16 bytes of a column: q0 mask, q1 threshold, q3 what turns the highest bits.
.macro clamp_16 source, line
    vldrb.u8    q2, [\source], #16
    veor        q2, q2, q0
    vqsub.u8    q2, q2, q1
    veor        q2, q2, q3
    vstrb.8     q2, [\line], #16
.endm

@ extern "C" fn(source, mask, threshold, line, depth, pitch, columns): clamps columns side by side.
    begin denselet_mve_clamp
    push        {r0-r11, lr}
    .equ SOURCE, 0                      @ the saved r0 to r3
    .equ MASK, SOURCE + WORD            @ then the threshold
    .equ LINE_OUT, MASK + 2 * WORD
    .equ DEPTH, 13 * WORD               @ after the saved registers; then pitch and columns
    ldrd        r4, r12, [sp, #DEPTH]
    ldr         r11, [sp, #DEPTH + 2 * WORD]
    vmov.i8     q3, #0x80
    subs        r11, #4
    blt         3f
1:  @ Four columns.
    ldrd        r1, r2, [sp, #MASK]
    add         r5, r0, r12
    add         r6, r5, r12
    add         r7, r6, r12
    add         r8, r3, r4
    add         r9, r8, r4
    add         r10, r9, r4
    dlstp.8     lr, r4
2:
    vldrb.u8    q0, [r1], #16
    vldrb.u8    q1, [r2], #16
    clamp_16    r0, r3
    clamp_16    r5, r8
    clamp_16    r6, r9
    clamp_16    r7, r10
    letp        lr, 2b
    ldr         r0, [sp, #SOURCE]
    ldr         r3, [sp, #LINE_OUT]
    add         r0, r0, r12, lsl #2
    add         r3, r3, r4, lsl #2
    str         r0, [sp, #SOURCE]
    str         r3, [sp, #LINE_OUT]
    subs        r11, #4
    bge         1b
3:
    adds        r11, #4
    beq         6f
4:  @ One column.
    ldrd        r1, r2, [sp, #MASK]
    mov         r5, r0
    mov         r6, r3
    dlstp.8     lr, r4
5:
    vldrb.u8    q0, [r1], #16
    vldrb.u8    q1, [r2], #16
    clamp_16    r5, r6
    letp        lr, 5b
    add         r0, r12
    add         r3, r4
    subs        r11, #1
    bne         4b
6:
    add         sp, #(4 * WORD)
    pop         {r4-r11, pc}
    .size   denselet_mve_clamp, . - denselet_mve_clamp

@ extern "C" fn(source, mask, threshold, out, depth): clamps bytes into bytes as they are.
    begin denselet_mve_clamp_bytes
    push        {r4, lr}
    ldr         r4, [sp, #(2 * WORD)]       @ after the saved registers
    dlstp.8     lr, r4
1:
    vldrb.u8    q0, [r0], #16
    vldrb.u8    q1, [r1], #16
    veor        q0, q0, q1
    vldrb.u8    q2, [r2], #16
    vqsub.u8    q0, q0, q2
    vstrb.8     q0, [r3], #16
    letp        lr, 1b
    pop         {r4, pc}
    .size   denselet_mve_clamp_bytes, . - denselet_mve_clamp_bytes

@ extern "C" fn(source, mask, threshold, sums, depth): clamps bytes and adds them to words.
    begin denselet_mve_clamp_sum
    push        {r4, lr}
    ldr         r4, [sp, #(2 * WORD)]       @ after the saved registers
    dlstp.32    lr, r4
1:
    vldrb.u32   q0, [r0], #4
    vldrb.u32   q1, [r1], #4
    veor        q0, q0, q1
    vldrb.u32   q2, [r2], #4
    vqsub.u32   q0, q0, q2
    vldrw.u32   q1, [r3]
    vadd.i32    q0, q0, q1
    vstrw.32    q0, [r3], #16
    letp        lr, 1b
    pop         {r4, pc}
    .size   denselet_mve_clamp_sum, . - denselet_mve_clamp_sum

@ Eight bytes of a source, clamped: q0 mask, q1 threshold.
.macro clamp_8 to, source
    vldrb.u16   \to, [\source], #8
    veor        \to, \to, q0
    vqsub.u16   \to, \to, q1
.endm

@ extern "C" fn(&Pool): clamps each source's columns and adds them up, side by side, into lines of 16 bits.
.macro pool_columns name, has_four
    begin \name
    push        {r4-r11, lr}
    mov         r12, r0
    mov         r11, #0                 @ from the first column to this one
    ldrd        r8, r9, [r12, #POOL_LINE]   @ line, depth
    ldr         r10, [r12, #POOL_COLUMNS]
1:
    ldrd        r0, r1, [r12, #POOL_SOURCES]
    ldrd        r2, r3, [r12, #POOL_SOURCES + 2 * WORD]
    ldrd        r4, r5, [r12, #POOL_MASK]
    add         r0, r11
    add         r1, r11
    add         r2, r11
    add         r3, r11
    mov         r6, r8
    dlstp.16    lr, r9
2:
    vldrb.u16   q0, [r4], #8
    vldrb.u16   q1, [r5], #8
    clamp_8     q2, r0
    clamp_8     q3, r1
    vadd.i16    q2, q2, q3
    .if \has_four
    clamp_8     q3, r2
    vadd.i16    q2, q2, q3
    clamp_8     q3, r3
    vadd.i16    q2, q2, q3
    .endif
    vstrh.16    q2, [r6], #16
    letp        lr, 2b
    ldr         r7, [r12, #POOL_PITCH]
    add         r8, r8, r9, lsl #1
    add         r11, r7
    subs        r10, #1
    bne         1b
    pop         {r4-r11, pc}
    .size   \name, . - \name
.endm

    pool_columns denselet_mve_pool_two, 0
    pool_columns denselet_mve_pool_four, 1

@ A column of three rows, as whole vectors.
.macro column vectors
    .irp row, r0, r1, r2
    .rept \vectors
    vldrb.u8    q0, [\row], #16
    veor        q0, q0, q1
    vstrb.8     q0, [r3], #16
    .endr
    .endr
.endm

@ extern "C" fn(top, middle, bottom, line, depth, columns): columns of three rows, the rows' columns side by side, into
@ [column][row][i].
    begin denselet_mve_window
    push        {r4-r6, lr}
    ldrd        r4, r5, [sp, #(4 * WORD)]     @ depth, columns, after the saved registers
    vmov.i8     q1, #0x80
    cmp         r4, #48
    beq         3f
    cmp         r4, #32
    beq         2f
    rsbs        r6, r4, #0
    and         r6, r6, #15             @ how far the last vector of a column goes too far
1:
    .irp row, r0, r1, r2
    dlstp.8     lr, r4
9:
    vldrb.u8    q0, [\row], #16
    veor        q0, q0, q1
    vstrb.8     q0, [r3], #16
    letp        lr, 9b
    subs        \row, \row, r6
    subs        r3, r3, r6
    .endr
    subs        r5, #1
    bne         1b
    pop         {r4-r6, pc}
2:  @ Growth 8.
    column      2
    subs        r5, #1
    bne         2b
    pop         {r4-r6, pc}
3:  @ Growth 12.
    column      3
    subs        r5, #1
    bne         3b
    pop         {r4-r6, pc}
    .size   denselet_mve_window, . - denselet_mve_window

@ extern "C" fn(source, step, line, depth, len, columns): bytes into columns, `step` bytes apart and `depth` values.
    begin denselet_mve_gather
    push        {r4-r7, lr}
    ldrd        r4, r5, [sp, #(5 * WORD)]     @ len, columns, after the saved registers
    vmov.i8     q1, #0x80
1:
    mov         r6, r0
    mov         r7, r2
    dlstp.8     lr, r4
2:
    vldrb.u8    q0, [r6], #16
    veor        q0, q0, q1
    vstrb.8     q0, [r7], #16
    letp        lr, 2b
    add         r0, r1
    add         r2, r3
    subs        r5, #1
    bne         1b
    pop         {r4-r7, pc}
    .size   denselet_mve_gather, . - denselet_mve_gather
