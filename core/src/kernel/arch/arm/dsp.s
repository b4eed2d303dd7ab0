@ Two 16-bit multiplications at once: r2 and r3 hold two inputs' weights of both outputs, r12 and lr two inputs of a pixel
@ each.

@ One output of one pixel: what `arithmetic::requantise` does.
.macro requantise sum, multiplier
    smmulr  \sum, \sum, \multiplier
    usat    \sum, #8, \sum
.endm

@ Weights of output 0 and 1 for two inputs out of the word in r2.
.macro widen_weights
    sxtb16  r3, r2
    sxtb16  r2, r2, ror #8
.endm

@ Two inputs of a pixel, times both outputs' weights.
.macro both input, sum0, sum1
    smlad   \sum0, r3, \input, \sum0
    smlad   \sum1, r2, \input, \sum1
.endm

@ Four pixels, one tap. A unit is two inputs: 14 instructions for 16 MACs.
    .section .text.denselet_pixels_by_four,"ax",%progbits
    .global denselet_pixels_by_four
    .type denselet_pixels_by_four,%function
    .thumb_func
denselet_pixels_by_four:
    enter   16, WORD, PIXELS, 2f, 3f
1:  start_pixels
    mov     r6, r4
    mov     r7, r4
    mov     r10, r8
    mov     r11, r8
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   16
    ldr.w   r2, [r0, #(4 * unit)]
    ldr.w   r12, [r1, #(16 * unit)]
    ldr.w   lr, [r1, #(16 * unit + 4)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    ldrd    r12, lr, [r1, #(16 * unit + 8)]
    both    r12, r6, r10
    both    lr, r7, r11
    .set    unit, unit + 1
    .endr
3:  again   16, WORD, PIXELS, 2b
    write_four 1b
    .size denselet_pixels_by_four, . - denselet_pixels_by_four

@ Two pixels, one tap. A unit is four inputs: 18 instructions for 16 MACs.
    .section .text.denselet_pixels_by_two,"ax",%progbits
    .global denselet_pixels_by_two
    .type denselet_pixels_by_two,%function
    .thumb_func
denselet_pixels_by_two:
    enter   4, 2 * WORD, 2 * PIXELS, 2f, 3f, 1
1:  start_pixels
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   4
    ldr.w   r2, [r0, #(8 * unit)]
    ldr.w   r10, [r0, #(8 * unit + 4)]
    ldr.w   r12, [r1, #(32 * unit)]
    ldr.w   lr, [r1, #(32 * unit + 4)]
    ldr.w   r6, [r1, #(32 * unit + 16)]
    ldr.w   r7, [r1, #(32 * unit + 20)]
    widen_weights
    sxtb16  r11, r10
    sxtb16  r10, r10, ror #8
    both    r12, r4, r8
    both    lr, r5, r9
    smlad   r4, r11, r6, r4
    smlad   r8, r10, r6, r8
    smlad   r5, r11, r7, r5
    smlad   r9, r10, r7, r9
    .set    unit, unit + 1
    .endr
3:  again   4, 2 * WORD, 2 * PIXELS, 2b
    write_two 1b
    .size denselet_pixels_by_two, . - denselet_pixels_by_two

@ Four pixels, rows of three taps. A unit is two inputs of a row: 39 instructions for 48 MACs. Of six columns, each tap
@ needs four, and two stay in registers from one tap to the next.
    .section .text.denselet_window_by_four,"ax",%progbits
    .global denselet_window_by_four
    .type denselet_window_by_four,%function
    .thumb_func
denselet_window_by_four:
    enter   6, ROW, COLUMNS, 2f, 3f
1:  start_window
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   6
    ldr.w   r2, [r0, #(12 * unit)]
    ldr.w   r12, [r1, #(24 * unit)]
    ldr.w   lr, [r1, #(24 * unit + 12)]
    widen_weights
    both    r12, r4, r8
    both    lr, r7, r11
    ldrd    r12, lr, [r1, #(24 * unit + 4)]
    both    r12, r5, r9
    both    lr, r6, r10
    ldr.w   r2, [r0, #(12 * unit + 4)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    ldrd    r12, lr, [r1, #(24 * unit + 12)]
    both    r12, r6, r10
    both    lr, r7, r11
    ldr.w   r2, [r0, #(12 * unit + 8)]
    widen_weights
    both    r12, r5, r9
    both    lr, r6, r10
    ldr.w   r12, [r1, #(24 * unit + 8)]
    ldr.w   lr, [r1, #(24 * unit + 20)]
    both    r12, r4, r8
    both    lr, r7, r11
    .set    unit, unit + 1
    .endr
3:  again   6, ROW, COLUMNS, 2b
    write_four 1b
    .size denselet_window_by_four, . - denselet_window_by_four

@ Two pixels, rows of three taps: 25 instructions for 24 MACs.
    .section .text.denselet_window_by_two,"ax",%progbits
    .global denselet_window_by_two
    .type denselet_window_by_two,%function
    .thumb_func
denselet_window_by_two:
    enter   3, ROW, COLUMNS, 2f, 3f
1:  start_window
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   3
    ldr.w   r2, [r0, #(12 * unit)]
    ldr.w   r10, [r0, #(12 * unit + 4)]
    ldr.w   r11, [r0, #(12 * unit + 8)]
    ldr.w   r12, [r1, #(24 * unit)]
    ldr.w   lr, [r1, #(24 * unit + 4)]
    ldr.w   r6, [r1, #(24 * unit + 8)]
    ldr.w   r7, [r1, #(24 * unit + 12)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    sxtb16  r3, r10
    sxtb16  r2, r10, ror #8
    both    lr, r4, r8
    both    r6, r5, r9
    sxtb16  r3, r11
    sxtb16  r2, r11, ror #8
    both    r6, r4, r8
    both    r7, r5, r9
    .set    unit, unit + 1
    .endr
3:  again   3, ROW, COLUMNS, 2b
    write_two 1b
    .size denselet_window_by_two, . - denselet_window_by_two
