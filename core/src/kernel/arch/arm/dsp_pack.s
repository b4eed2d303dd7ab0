@ Bytes into the line buffer: four neighbouring columns, or the six of a window, four channels at a time.
@
@ Four channels' bytes become two words: channels 0 and 2, channels 1 and 3. A row of the line buffer holds the first
@ word of every column, then the second of every column.

    .syntax unified
    .thumb

@ Clamps four columns' words r8-r11 with the mask in r12 and the threshold in lr.
.macro clamp_columns
    eor     r8, r8, r12
    eor     r9, r9, r12
    eor     r10, r10, r12
    eor     r11, r11, r12
    uqsub8  r8, r8, lr
    uqsub8  r9, r9, lr
    uqsub8  r10, r10, lr
    uqsub8  r11, r11, lr
.endm

@ Loads mask, threshold and the words of four columns.
.macro load_columns
    ldr     r12, [r1], #4
    ldr     lr, [r2], #4
    ldr     r9, [r0, r4]
    ldr     r10, [r0, r5]
    ldr     r11, [r0, r6]
    ldr     r8, [r0], #4
.endm

@ extern "C" fn(source, mask, threshold, line, offset of columns 1, 2, 3, groups)
    .section .text.denselet_clamp,"ax",%progbits
    .global denselet_clamp
    .type denselet_clamp,%function
    .thumb_func
denselet_clamp:
    push    {r4-r11, lr}
    add     r12, sp, #36
    ldm     r12, {r4-r7}
1:  load_columns
    clamp_columns
    uxtb16  r12, r8
    uxtb16  lr, r9
    str     r12, [r3]
    str     lr, [r3, #4]
    uxtb16  r12, r10
    uxtb16  lr, r11
    str     r12, [r3, #8]
    str     lr, [r3, #12]
    uxtb16  r8, r8, ror #8
    uxtb16  r9, r9, ror #8
    uxtb16  r10, r10, ror #8
    uxtb16  r11, r11, ror #8
    adds    r3, #16
    stm     r3!, {r8-r11}
    subs    r7, #1
    bne     1b
    pop     {r4-r11, pc}
    .size denselet_clamp, . - denselet_clamp

@ The same, added to the line.
    .section .text.denselet_clamp_add,"ax",%progbits
    .global denselet_clamp_add
    .type denselet_clamp_add,%function
    .thumb_func
denselet_clamp_add:
    push    {r4-r11, lr}
    add     r12, sp, #36
    ldm     r12, {r4-r7}
1:  load_columns
    clamp_columns
    ldrd    r12, lr, [r3]
    uxtab16 r12, r12, r8
    uxtab16 lr, lr, r9
    strd    r12, lr, [r3], #8
    ldrd    r12, lr, [r3]
    uxtab16 r12, r12, r10
    uxtab16 lr, lr, r11
    strd    r12, lr, [r3], #8
    ldrd    r12, lr, [r3]
    uxtab16 r8, r12, r8, ror #8
    uxtab16 r9, lr, r9, ror #8
    ldrd    r12, lr, [r3, #8]
    uxtab16 r10, r12, r10, ror #8
    uxtab16 r11, lr, r11, ror #8
    stm     r3!, {r8-r11}
    subs    r7, #1
    bne     1b
    pop     {r4-r11, pc}
    .size denselet_clamp_add, . - denselet_clamp_add

@ extern "C" fn(source, pitch, offset of columns 3, 4, 5, line, groups)
    .section .text.denselet_widen_window,"ax",%progbits
    .global denselet_widen_window
    .type denselet_widen_window,%function
    .thumb_func
denselet_widen_window:
    push    {r4-r11, lr}
    add     r12, sp, #36
    ldm     r12, {r4-r6}
1:  ldr     r8, [r0, r1]
    ldr     r9, [r0, r1, lsl #1]
    ldr     r10, [r0, r2]
    ldr     r11, [r0, r3]
    ldr     r12, [r0, r4]
    ldr     r7, [r0], #4
    uxtb16  lr, r7
    str     lr, [r5]
    uxtb16  lr, r8
    str     lr, [r5, #4]
    uxtb16  lr, r9
    str     lr, [r5, #8]
    uxtb16  lr, r10
    str     lr, [r5, #12]
    uxtb16  lr, r11
    str     lr, [r5, #16]
    uxtb16  lr, r12
    str     lr, [r5, #20]
    uxtb16  r7, r7, ror #8
    uxtb16  r8, r8, ror #8
    uxtb16  r9, r9, ror #8
    uxtb16  r10, r10, ror #8
    uxtb16  r11, r11, ror #8
    uxtb16  r12, r12, ror #8
    adds    r5, #24
    stm     r5!, {r7-r12}
    subs    r6, #1
    bne     1b
    pop     {r4-r11, pc}
    .size denselet_widen_window, . - denselet_widen_window
