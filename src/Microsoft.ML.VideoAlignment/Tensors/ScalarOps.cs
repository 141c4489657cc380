namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Operations between tensors and numbers that hold the native scalar until libtorch has read it.</summary>
/// <remarks>
/// TorchSharp makes a temporary scalar for each number (and for the alpha of <c>a + b</c>) and passes its bare address on, so a collection that another thread
/// starts during the call frees it: "Expected false to be true ... toFloat", or a wrong number. The analyzer bans TorchSharp's own forms in this assembly.
/// </remarks>
internal static class ScalarOps
{
    /// <summary>x + y.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="y">A shape that broadcasts with it.</param>
    public static Tensor Add(this Tensor x, Tensor y)
    {
        using Scalar alpha = 1;
        return x.add(y, alpha);
    }

    /// <inheritdoc cref="Add(Tensor, Tensor)"/>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Added to each element.</param>
    public static Tensor Add(this Tensor x, double number)
    {
        using Scalar scalar = number, alpha = 1;
        return x.add(scalar, alpha);
    }

    /// <inheritdoc cref="Add(Tensor, double)"/>
    public static Tensor Add(this Tensor x, long number)
    {
        using Scalar scalar = number, alpha = 1;
        return x.add(scalar, alpha);
    }

    /// <summary>x += alpha y, in place.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="y">A shape that broadcasts to it.</param>
    /// <param name="alpha">Factor of y.</param>
    public static Tensor AddInPlace(this Tensor x, Tensor y, double alpha = 1)
    {
        using Scalar factor = alpha;
        return x.add_(y, factor);
    }

    /// <summary>x += number, in place.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Added to each element.</param>
    public static Tensor AddInPlace(this Tensor x, double number)
    {
        using Scalar scalar = number, alpha = 1;
        return x.add_(scalar, alpha);
    }

    /// <summary>x - number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Subtracted from each element.</param>
    public static Tensor Sub(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.sub(scalar);
    }

    /// <inheritdoc cref="Sub(Tensor, double)"/>
    public static Tensor Sub(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.sub(scalar);
    }

    /// <summary>number - x.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is subtracted from.</param>
    public static Tensor SubtractedFrom(this Tensor x, double number)
    {
        using Tensor negative = x.negative();
        return negative.Add(number);
    }

    /// <inheritdoc cref="SubtractedFrom(Tensor, double)"/>
    public static Tensor SubtractedFrom(this Tensor x, long number)
    {
        using Tensor negative = x.negative();
        return negative.Add(number);
    }

    /// <summary>x * number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Factor of each element.</param>
    public static Tensor Mul(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.mul(scalar);
    }

    /// <inheritdoc cref="Mul(Tensor, double)"/>
    public static Tensor Mul(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.mul(scalar);
    }

    /// <summary>x *= number, in place.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Factor of each element.</param>
    public static Tensor MulInPlace(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.mul_(scalar);
    }

    /// <summary>x / number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Divisor of each element.</param>
    public static Tensor Div(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.div(scalar);
    }

    /// <inheritdoc cref="Div(Tensor, double)"/>
    public static Tensor Div(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.div(scalar);
    }

    /// <summary>x mod number, with the sign of number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">Divisor of each element.</param>
    public static Tensor Remainder(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.remainder(scalar);
    }

    /// <summary>x to the power of number.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="exponent">Exponent of each element.</param>
    public static Tensor Pow(this Tensor x, double exponent)
    {
        using Scalar scalar = exponent;
        return x.pow(scalar);
    }

    /// <summary>x + number * first * second.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="first">A shape that broadcasts with it.</param>
    /// <param name="second">Likewise.</param>
    /// <param name="number">Factor of the product.</param>
    public static Tensor AddProduct(this Tensor x, Tensor first, Tensor second, double number = 1)
    {
        using Scalar scalar = number;
        return x.addcmul(first, second, scalar);
    }

    /// <summary>x += number * first * second, in place.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="first">A shape that broadcasts to it.</param>
    /// <param name="second">Likewise.</param>
    /// <param name="number">Factor of the product.</param>
    public static Tensor AddProductInPlace(this Tensor x, Tensor first, Tensor second, double number)
    {
        using Scalar scalar = number;
        return x.addcmul_(first, second, scalar);
    }

    /// <summary>x += number * dividend / divisor, in place.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="dividend">A shape that broadcasts to it.</param>
    /// <param name="divisor">Likewise.</param>
    /// <param name="number">Factor of the quotient.</param>
    public static Tensor AddQuotientInPlace(this Tensor x, Tensor dividend, Tensor divisor, double number)
    {
        using Scalar scalar = number;
        return x.addcdiv_(dividend, divisor, scalar);
    }

    /// <summary>min(max(x, least), most).</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="least">Lower bound; null: none.</param>
    /// <param name="most">Upper bound; null: none.</param>
    public static Tensor Clamp(this Tensor x, double? least = null, double? most = null)
    {
        using Scalar? min = least is { } low ? low : (Scalar?)null;
        using Scalar? max = most is { } high ? high : (Scalar?)null;
        return x.clamp(min, max);
    }

    /// <inheritdoc cref="Clamp(Tensor, double?, double?)"/>
    public static Tensor Clamp(this Tensor x, long least, long most)
    {
        using Scalar min = least, max = most;
        return x.clamp(min, max);
    }

    /// <inheritdoc cref="Clamp(Tensor, double?, double?)"/>
    public static Tensor Clamp(this Tensor x, long least)
    {
        using Scalar min = least;
        return x.clamp(min, max: null);
    }

    /// <summary>Where x equals a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor EqualTo(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.eq(scalar);
    }

    /// <inheritdoc cref="EqualTo(Tensor, double)"/>
    public static Tensor EqualTo(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.eq(scalar);
    }

    /// <summary>Where x differs from a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor NotEqualTo(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.ne(scalar);
    }

    /// <summary>Where x is greater than a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor GreaterThan(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.gt(scalar);
    }

    /// <summary>Where x is at least a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor AtLeast(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.ge(scalar);
    }

    /// <summary>Where x is less than a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor LessThan(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.lt(scalar);
    }

    /// <inheritdoc cref="LessThan(Tensor, double)"/>
    public static Tensor LessThan(this Tensor x, long number)
    {
        using Scalar scalar = number;
        return x.lt(scalar);
    }

    /// <summary>Where x is at most a number: a tensor of booleans.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="number">What each element is compared with.</param>
    public static Tensor AtMost(this Tensor x, double number)
    {
        using Scalar scalar = number;
        return x.le(scalar);
    }

    /// <summary>x with a number in the masked places.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="mask">Booleans of a shape that broadcasts to it.</param>
    /// <param name="number">What masked places become.</param>
    public static Tensor MaskedFill(this Tensor x, Tensor mask, double number)
    {
        using Scalar scalar = number;
        return x.masked_fill(mask, scalar);
    }

    /// <summary>A number written into the masked places of x.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="mask">Booleans of a shape that broadcasts to it.</param>
    /// <param name="number">What masked places become.</param>
    public static Tensor MaskedFillInPlace(this Tensor x, Tensor mask, double number)
    {
        using Scalar scalar = number;
        return x.masked_fill_(mask, scalar);
    }

    /// <summary>0, 1, ... count - 1.</summary>
    /// <param name="count">Number of elements.</param>
    /// <param name="dtype">Element type; null: 64-bit integers.</param>
    /// <param name="device">Where the tensor is made; null: the CPU.</param>
    public static Tensor Range(long count, ScalarType? dtype = null, Device? device = null)
    {
        using Scalar start = 0L, stop = count, step = 1L;
        return arange(start, stop, step, dtype, device);
    }

    /// <summary>A tensor that holds a number everywhere.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="number">The number.</param>
    /// <param name="dtype">Element type; null: 32-bit floating point.</param>
    /// <param name="device">Where the tensor is made; null: the CPU.</param>
    public static Tensor Full(long[] shape, double number, ScalarType? dtype = null, Device? device = null)
    {
        using Scalar scalar = number;
        return full(shape, scalar, dtype, device);
    }

    /// <summary>A tensor of another's shape, type and device that holds a number everywhere.</summary>
    /// <param name="like">Any shape.</param>
    /// <param name="number">The number.</param>
    public static Tensor FullLike(Tensor like, double number)
    {
        using Scalar scalar = number;
        return full_like(like, scalar);
    }
}
